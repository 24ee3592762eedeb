# Everything sets itself up: `make image` and `make test` work on a fresh Debian 12 or 13.

PYTHON  := .venv/bin/python
PYTEST  := $(PYTHON) -m pytest
LOCK    := image/requirements.lock
READY   := .venv/.ready
PROFILE ?= gateway
BOARD   ?= 4

.DEFAULT_GOAL := help
.PHONY: help image test unit lint netns container build vm bench lock setup packages clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

image: setup ## a flashable image in dist/ (PROFILE=gateway BOARD=4 CONFIG=my.yaml)
	$(PYTHON) -m appliance build --profile $(PROFILE) --board $(BOARD) $(if $(CONFIG),--config $(CONFIG))

test: setup ## every test there is: lint, unit, network namespaces, containers, real images in QEMU
	$(PYTEST)

unit: $(READY) ## the tests that touch nothing: seconds
	$(PYTEST) -m "not netns and not container and not vm and not build"

lint: $(READY) ## style, types, import contracts
	$(PYTEST) tests/test_lint.py

netns: setup ## the tests that need network namespaces
	$(PYTEST) -m netns

container: setup ## the tests that run the image's own programs in a container
	$(PYTEST) -m container

build: setup ## the tests that build real images
	$(PYTEST) -m build

vm: setup ## the tests that boot a real image in QEMU
	$(PYTEST) -m vm

bench: setup ## figures: build times, image size, boot to tunnel up, memory
	$(PYTHON) -m tests.bench

setup: packages $(READY)

# Only what is missing is installed, so that nothing is asked of apt (or of sudo) twice.
packages:
	@missing=$$(grep -hv '^#' image/host-packages.txt tests/host-packages.txt | while read -r package; do \
		dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q ' installed$$' || echo "$$package"; done); \
	if [ -n "$$missing" ]; then \
		echo "installing:" $$missing; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -q && \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	fi

$(READY): $(LOCK) pyproject.toml
	python3 -m venv .venv
	.venv/bin/pip install --quiet --require-hashes -r $(LOCK)
	.venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lock: ## pin the newest versions of what pyproject.toml asks for
	.venv/bin/pip install --quiet pip-tools
	.venv/bin/pip-compile --quiet --upgrade --all-extras --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -o $(LOCK) pyproject.toml

clean: ## what was built here; the cache of layers stays
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info

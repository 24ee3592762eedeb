# Everything sets itself up: `make image` and `make test` work on a fresh Debian 12 or 13.

PYTHON  := .venv/bin/python
PYTEST  := $(PYTHON) -m pytest
PROFILE ?= gateway
BOARD   ?= 4

# What is installed with what: a pip lock file, and a list of Debian packages.
BUILD_LOCK := image/requirements.lock
TEST_LOCK  := tests/requirements.lock
BUILD_HOST := image/host-packages.txt
LAB_HOST   := image/lab/host-packages.txt
TEST_HOST  := tests/host-packages.txt

.DEFAULT_GOAL := help
.PHONY: help tools lab-tools image deb docs pictures test unit lint netns container build vm bench lock clean build-packages lab-packages test-packages

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

tools: build-packages .venv/.build-ready ## what making images takes, and the command appliance in .venv/bin

lab-tools: lab-packages .venv/.build-ready ## what `appliance lab` takes as well, to boot an image here

image: build-packages .venv/.build-ready ## a flashable image in dist/ (PROFILE=gadget BOARD=zero CONFIG=my.yaml BASE=raspios.img.xz SHA256=… REFRESH=1 FORMAT=xz)
	$(PYTHON) -m appliance build --profile $(PROFILE) --board $(BOARD) $(if $(CONFIG),--config $(CONFIG)) \
		$(if $(BASE),--base $(BASE)) $(if $(SHA256),--sha256 $(SHA256)) $(if $(REFRESH),--refresh) $(if $(FORMAT),--format $(FORMAT))

deb: build-packages .venv/.build-ready ## packages for any Debian 12 or 13, of the daemon, its profiles and the builder, in dist/
	$(PYTHON) -m appliance deb
	$(PYTHON) -m appliance deb --builder

docs: .venv/.build-ready ## docs/appliance.yaml.md anew, from the model
	$(PYTHON) -m image.manual appliance.yaml.md > docs/appliance.yaml.md.new && mv docs/appliance.yaml.md.new docs/appliance.yaml.md

pictures: test-packages .venv/.test-ready ## docs/pictures anew, from what commands print (ALL=1: also those of a whole build and a card)
	$(PYTHON) -m tests.docs.pictures $(if $(ALL),all)

test: test-packages .venv/.test-ready ## every test there is: lint, unit, network namespaces, containers, real images in QEMU
	$(PYTEST) --numprocesses 3 --dist loadscope

unit: .venv/.test-ready ## the tests that touch nothing: seconds
	$(PYTEST) -m "not netns and not container and not vm and not build and not programs"

lint: .venv/.test-ready ## style, types, import contracts
	$(PYTEST) tests/test_lint.py

netns: test-packages .venv/.test-ready ## the tests that need network namespaces
	$(PYTEST) -m netns

container: test-packages .venv/.test-ready ## the tests that run the image's own programs in a container
	$(PYTEST) -m container

build: test-packages .venv/.test-ready ## the tests that build real images
	$(PYTEST) -m build

vm: test-packages .venv/.test-ready ## the tests that boot a real image in QEMU
	$(PYTEST) -m vm

bench: test-packages .venv/.test-ready ## figures: building, booting, throughput, the daemon (SUBJECTS=gadget: only those)
	$(PYTHON) -m tests.bench $(SUBJECTS)

build-packages:
	@image/install-packages $(BUILD_HOST)

lab-packages:
	@image/install-packages $(BUILD_HOST) $(LAB_HOST)

test-packages:
	@image/install-packages $(BUILD_HOST) $(LAB_HOST) $(TEST_HOST)

.venv/.build-ready: $(BUILD_LOCK) pyproject.toml
	python3 -m venv .venv
	.venv/bin/pip install --quiet --require-hashes -r $(BUILD_LOCK)
	.venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv/.test-ready: .venv/.build-ready $(TEST_LOCK)
	.venv/bin/pip install --quiet --require-hashes -r $(TEST_LOCK)
	touch $@

lock: .venv/.build-ready ## pin the newest versions of what pyproject.toml asks for
	.venv/bin/pip install --quiet pip-tools
	.venv/bin/pip-compile --quiet --upgrade --extra image --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -o $(BUILD_LOCK) pyproject.toml
	.venv/bin/pip-compile --quiet --upgrade --all-extras --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -c $(BUILD_LOCK) -o $(TEST_LOCK) pyproject.toml

clean: ## what was built here; the cache of layers stays
	rm -rf .venv dist .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info

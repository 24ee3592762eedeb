"""A Debian package of the build host's side: `appliance build` and the like, without a checkout of the sources.

Below its folder everything lies as in the sources, because what goes into an image is read from there.
"""

from __future__ import annotations

from pathlib import Path

from image import documents
from image.deb import archive, daemon, wheel
from image.deb.archive import Package, version
from image.recipe import PROJECT
from image.stages import daemon as on_the_device

NAME = "appliance-builder"
LIBRARY = f"usr/lib/{NAME}"
OVERLAY = PROJECT / "overlays/builder"

PROGRAMS = PROJECT / "image/host-packages.txt"
OF_THE_LAB = PROJECT / "image/lab/host-packages.txt"
ONLY_FOR_SOURCES = ("python3", "python3-venv")
"""Of these, what is there for the libraries of PyPI, or is asked for more exactly."""
LIBRARIES = (
    "python3 (>= 3.11)",
    "python3-cachetools",
    "python3-crcmod",
    "python3-pyelftools",
    "python3-typing-extensions",
    "python3-yaml",
    "python3-zstandard",
)
"""Of Debian 12 and 13: what we import, and what `FROM_PYPI` does."""
FROM_PYPI = "ext4"
"""Neither Debian has it. Its wheels for one processor are large; there is one for all."""

DESCRIPTION = """
The command `appliance`: build an image for a Raspberry Pi that is an IPv6 gateway or a USB gadget, check its
appliance.yaml, write it to a card, and make images for many devices out of one.

An image is built as an ordinary user, from the packages of the Debian mirror that this machine uses; no part of it is
run as root here. Beside the package of the daemon, which keeps this machine's own network, there is one command
for both.
"""

OVERRIDES = f"""\
# What lies below overlays/ is copied into images, as it is there: it is none of this machine's units.
{NAME}: absolute-symlink-in-top-level-folder *overlays/*
{NAME}: service-file-is-not-a-file *overlays/*
{NAME}: systemd-service-file-refers-to-unusual-wantedby-target *overlays/*
"""

_DIVERTED = {
    "usr/bin/appliance": "usr/bin/appliance.daemon",
    "usr/share/bash-completion/completions/appliance": "usr/share/bash-completion/completions/appliance.daemon",
    "usr/share/fish/vendor_completions.d/appliance.fish": "usr/share/fish/vendor_completions.d/appliance.fish.daemon",
    "usr/share/zsh/vendor-completions/_appliance": "usr/share/zsh/vendor-completions/_appliance.daemon",
    "usr/share/man/man1/appliance.1.gz": "usr/share/man/man1/appliance.daemon.1.gz",
    "usr/share/man/man5/appliance.yaml.5.gz": "usr/share/man/man5/appliance.yaml.daemon.5.gz",
}
"""What the daemon's package has as well, and where its own is while both are installed: it knows fewer commands."""

_EACH = [
    f"dpkg-divert --quiet --package {NAME} --rename --divert /{kept} {{}} /{file}" for file, kept in _DIVERTED.items()
]


def _diverted(action: str) -> str:
    return "\n".join(f"    {line.format(action)}" for line in _EACH)


_SCRIPTS = {
    "preinst": f"""\
if [ "$1" = install ] || [ "$1" = upgrade ]; then
{_diverted("--add")}
fi
""",
    "postinst": f"""\
if [ "$1" = configure ]; then
    py3compile -p {NAME} /{LIBRARY}
fi
""",
    "prerm": f"""\
py3clean -p {NAME}
""",
    "postrm": f"""\
if [ "$1" = remove ] || [ "$1" = abort-install ] || [ "$1" = disappear ]; then
{_diverted("--remove")}
fi
""",
}


def build(folder: Path, *, epoch: int | None = None) -> Path:
    """Make the package in a folder; for `epoch` see `archive.build`. Raises what `wheel.contents` does."""
    from_pypi = wheel.contents(FROM_PYPI)
    [licence] = [content.decode() for file, content in from_pypi.items() if Path(file).name == "LICENSE"]
    modules = {f"{LIBRARY}/{file}": each for file, each in from_pypi.items() if file.startswith(f"{FROM_PYPI}/")}
    package = Package(
        name=NAME,
        section="utils",
        relations=_relations(),
        summary="builds Raspberry Pi images of a network appliance",
        description=DESCRIPTION,
        scripts=_SCRIPTS,
        sources=_sources(),
        made={
            **documents.contents(documents.OF_THE_BUILDER),
            **modules,
            f"{LIBRARY}/{daemon.NAME}-{version()}.dist-info/METADATA": _metadata(),
        },
        licences={f"{LIBRARY}/{FROM_PYPI}": licence},
        overrides=OVERRIDES,
    )
    return archive.build(package, folder, epoch=epoch)


def _relations() -> dict[str, str]:
    programs = [package for package in listed(PROGRAMS) if package not in ONLY_FOR_SOURCES]
    of_another_version = f"{daemon.NAME} (<< {version()}), {daemon.NAME} (>> {version()})"
    depends, suggests = ", ".join(sorted([*LIBRARIES, *programs])), ", ".join(listed(OF_THE_LAB))
    return {"Depends": depends, "Suggests": suggests, "Breaks": of_another_version}


def listed(packages: Path) -> list[str]:
    """Those of a file for image/install-packages."""
    return [line for line in packages.read_text().splitlines() if not line.startswith("#")]


def _sources() -> dict[str, Path]:
    """Where each file is on the machine, and here."""
    ours = [*on_the_device.sources(), *documents.sources(), *_below("image"), *_below("overlays")]
    sources = {f"{LIBRARY}/{file}": PROJECT / file for file in ours}
    return sources | {str(file.relative_to(OVERLAY)): file for file in OVERLAY.rglob("*") if file.is_file()}


def _below(folder: str) -> list[Path]:
    """The files and symbolic links of a folder, sorted, relative to the project."""
    found = [path for path in (PROJECT / folder).rglob("*") if path.is_symlink() or path.is_file()]
    unwanted = (wheel.LOCK, PROGRAMS, OF_THE_LAB, PROJECT / "image/install-packages")
    kept = [path for path in found if path not in unwanted and "__pycache__" not in path.parts]
    return sorted(path.relative_to(PROJECT) for path in kept if OVERLAY not in path.parents)


def _metadata() -> bytes:
    """What tells Python which version this is (`importlib.metadata`)."""
    return f"Metadata-Version: 2.1\nName: {daemon.NAME}\nVersion: {version()}\n".encode()

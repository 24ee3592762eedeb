"""Making a gadget in configfs, and looking at the one that is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firstboot.gadget.layout import NAME, Layout

GADGETS = Path("/sys/kernel/config/usb_gadget")
CONTROLLERS = Path("/sys/class/udc")


@dataclass(frozen=True)
class Observed:
    """The gadget that is there: files and links as `Layout` has them, and the controller it is bound to ("": none)."""

    files: Mapping[str, str]
    links: frozenset[tuple[str, str]]
    controller: str


def controllers(folder: Path = CONTROLLERS) -> Sequence[str]:
    """The USB device controllers that the kernel has."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def observe(wanted: Layout, gadgets: Path = GADGETS) -> Observed | None:
    """The gadget, as far as the layout names its files; None if there is none."""
    root = gadgets / NAME
    if not root.is_dir():
        return None
    files = {path: _read(root / path) for path in wanted.files if (root / path).exists()}
    return Observed(files, frozenset(_links(root)), _read(root / "UDC"))


def differs(wanted: Layout, observed: Observed) -> bool:
    """Whether the host would see something else: configfs writes numbers and links in its own way."""
    files = {path: _normal(value) for path, value in wanted.files.items()}
    return {p: _normal(v) for p, v in observed.files.items()} != files or observed.links != frozenset(wanted.links)


def build(wanted: Layout, gadgets: Path = GADGETS) -> None:
    """Make the gadget, unbound; of an older one nothing is left."""
    remove(gadgets)
    root = gadgets / NAME
    for path, value in wanted.files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value, encoding="ascii")
    for path, target in wanted.links:
        (root / target).mkdir(parents=True, exist_ok=True)  # a function without any setting
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(root / target)


def bind(controller: str, gadgets: Path = GADGETS) -> None:
    """Show the gadget to the host; "" takes it away."""
    (gadgets / NAME / "UDC").write_text(controller or "\n", encoding="ascii")


def interface_of(function: str, gadgets: Path = GADGETS) -> str:
    """The name of a network function's interface, which the kernel gave it when it was bound."""
    return _read(gadgets / NAME / function / "ifname")


def remove(gadgets: Path = GADGETS) -> None:
    """Take the gadget away and apart, in the order that configfs demands."""
    root = gadgets / NAME
    if not root.is_dir():
        return
    if _read(root / "UDC"):
        bind("", gadgets)
    for path, _ in _links(root):
        (root / path).unlink()
    for pattern in ("configs/*/strings/*", "configs/*", "functions/*", "strings/*"):
        for folder in root.glob(pattern):
            if folder.is_dir():
                folder.rmdir()
    root.rmdir()


def _links(root: Path) -> Iterator[tuple[str, str]]:
    for pattern in ("os_desc/*", "configs/*/*"):
        for path in root.glob(pattern):
            if path.is_symlink():
                yield str(path.relative_to(root)), str(path.resolve().relative_to(root.resolve()))


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip("\0\n ")


def _normal(value: str) -> str:
    try:
        return str(int(value, 0))
    except ValueError:
        return value

"""Making a gadget in configfs, and looking at the one that is there.

`posix` and not `os`, and no `from __future__`: on one slow core, what those import takes as long as all of this.
"""

import errno
import posix

NAME = "appliance"
ROOT = f"/sys/kernel/config/usb_gadget/{NAME}"
CONTROLLERS = "/sys/class/udc"
LOCK = "/run/appliance/gadget.lock"
NETWORK = ("ecm", "ncm", "rndis")
"""The functions that are network adapters, in the order in which they are bound: the first of them is usb0."""

_PAGE_BYTES = 4096
"""No file in configfs holds more (Documentation/filesystems/configfs.rst)."""


def controllers() -> list[str]:
    """The USB device controllers that the kernel has."""
    return sorted(_entries(CONTROLLERS))


def exists() -> bool:
    """Whether there is a gadget, be it half-made."""
    return bool(_entries(ROOT))


def bound_to() -> str:
    """The controller by which the gadget is shown to a host; "": none.

    Not what stands in `UDC`: the name stays there when the controller has gone or the kernel could not bind to it.
    """
    return next((name for name in controllers() if read(f"{CONTROLLERS}/{name}/function") == NAME), "")


def content(paths: list[str]) -> dict[str, str]:
    """What is in the files of these paths, as `normal` has it; "" where there is none."""
    return {path: normal(read(f"{ROOT}/{path}")) for path in paths}


def links() -> list[tuple[str, str]]:
    """All links as (path, target), sorted. configfs links by the way from above the gadgets' own folder."""
    return sorted((path, posix.readlink(f"{ROOT}/{path}").rpartition(f"/{NAME}/")[2]) for path in _links())


def interfaces() -> dict[str, str]:
    """The network functions' interfaces, by function (`ecm`, …): the kernel names them when they are first bound."""
    found = [(function, read(f"{ROOT}/functions/{function}.usb0/ifname")) for function in NETWORK]
    # Before that it is a pattern (`usb%d`), or words in brackets.
    return {function: name for function, name in found if name and "%" not in name and "(" not in name}


def is_made(files: dict[str, str], wanted: list[tuple[str, str]]) -> bool:
    """Whether the gadget is there, and that one."""
    same = {path: normal(value) for path, value in files.items()}
    return content(list(files)) == same and links() == sorted(wanted)


def has_console() -> bool:
    """Whether one of its functions is a serial port, be it half-made."""
    return any(name.startswith("acm.") for name in _entries(f"{ROOT}/functions"))


def show(folders: list[str], files: dict[str, str], wanted: list[tuple[str, str]]) -> None:
    """Make the gadget where it is missing, half-made or another one, and bind it where it is not bound.

    The daemon and the early unit may come at the same time: the second finds it done. OSError if it cannot be.
    """
    with _Lock():
        if not is_made(files, wanted):
            _build(folders, files, wanted)
        if not bound_to():
            _bind()


def hide() -> None:
    """Take the gadget from the host, as if the cable were pulled; it stays as it is."""
    with _Lock():
        _unbind()


def show_again() -> None:
    """And put the cable back."""
    with _Lock():
        if exists() and not bound_to():
            _bind()


def remove() -> None:
    """Take the gadget away and apart; a half-made one too."""
    with _Lock():
        _take_apart()


class _Lock:
    """Held by whoever makes, binds or removes the gadget. (`contextlib` takes too long to load.)"""

    def __enter__(self) -> None:
        self._file = posix.open(LOCK, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        posix.lockf(self._file, posix.F_LOCK, 0)

    def __exit__(self, *_: object) -> None:
        posix.close(self._file)


def _take_apart() -> None:
    """In the order that configfs demands."""
    if not exists():
        return
    _unbind()
    for path in _links():
        posix.unlink(f"{ROOT}/{path}")
    for config in _folders("configs"):
        for language in _folders(f"{config}/strings"):
            posix.rmdir(f"{ROOT}/{language}")
        posix.rmdir(f"{ROOT}/{config}")
    for folder in (*_folders("functions"), *_folders("strings")):
        posix.rmdir(f"{ROOT}/{folder}")
    posix.rmdir(ROOT)


def normal(value: str) -> str:
    """A value as it may be compared: numbers are read back in another form than they were written in."""
    try:
        return str(int(value, 0))
    except ValueError:
        return value


def read(path: str) -> str:
    """A file's text without what pads it; "" if there is no such file."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(descriptor, _PAGE_BYTES).decode("ascii", "replace").strip("\0\n ")
    finally:
        posix.close(descriptor)


def _build(folders: list[str], files: dict[str, str], wanted: list[tuple[str, str]]) -> None:
    _take_apart()
    posix.mkdir(ROOT)
    for path in folders:
        posix.mkdir(f"{ROOT}/{path}")
    for path, value in files.items():
        _write(path, value)
    for path, target in wanted:
        posix.symlink(f"{ROOT}/{target}", f"{ROOT}/{path}")


def _bind() -> None:
    found = controllers()
    if not found:
        raise OSError(errno.ENODEV, "there is no USB device controller")
    _unbind()
    try:
        _write("UDC", found[0])
    except OSError as error:
        other = read(f"{CONTROLLERS}/{found[0]}/function")
        if error.errno != errno.EBUSY or not other:
            raise
        raise OSError(errno.EBUSY, f"{found[0]} belongs to another gadget, {other}") from error


def _unbind() -> None:
    if read(f"{ROOT}/UDC"):
        _write("UDC", "\n")


def _write(path: str, value: str) -> None:
    descriptor = posix.open(f"{ROOT}/{path}", posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(descriptor, value.encode("ascii"))
    finally:
        posix.close(descriptor)


def _links() -> list[str]:
    places = ["os_desc", *_folders("configs")]
    paths = [f"{place}/{name}" for place in places for name in _entries(f"{ROOT}/{place}")]
    return [path for path in paths if _is_link(f"{ROOT}/{path}")]


def _folders(path: str) -> list[str]:
    return [f"{path}/{name}" for name in _entries(f"{ROOT}/{path}")]


def _entries(path: str) -> list[str]:
    try:
        return posix.listdir(path)
    except OSError:
        return []


def _is_link(path: str) -> bool:
    try:
        return bool(posix.readlink(path))
    except OSError:
        return False

"""The early unit: shows the laptop a network adapter from what the daemon compiled when it last ran.

A Pi Zero's only core takes seconds to load a Python library, so nothing is imported here but what the interpreter has
in it. Starting `ip` is left to the unit, which reads what this leaves in `BATCH`.
"""

from firstboot.gadget import compiled, configfs, identity

BATCH = "/run/appliance/gadget.batch"
INTERFACES = "/sys/class/net"


def main() -> int:
    """Make and bind the gadget; without a usable compiled one, leave that to the daemon. Gives the exit code."""
    _leave([])
    try:
        gadget = _compiled()
    except (OSError, ValueError) as error:
        print(f"no compiled gadget in {compiled.PATH} ({error}): the daemon makes one")
        return 0
    try:
        configfs.show(gadget.folders, gadget.files, gadget.links)
    except OSError as error:
        print(f"the gadget could not be made ({error}): the daemon tries again")
        configfs.remove()
        return 1
    _leave([line for line in gadget.batch(configfs.interfaces()) if not _is_made(line)])
    return 0


def _compiled() -> compiled.Compiled:
    with open(compiled.PATH, encoding="utf-8") as file:
        gadget = compiled.parse(file.read())
    if gadget.serial != identity.serial():
        raise ValueError(f"made for the Pi {gadget.serial}")
    return gadget


def _leave(lines: list[str]) -> None:
    with open(BATCH, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def _is_made(line: str) -> bool:
    """Whether a line makes a bridge that is there already."""
    words = line.split()
    return words[:2] == ["link", "add"] and configfs.read(f"{INTERFACES}/{words[2]}/ifindex") != ""

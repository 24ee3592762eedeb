"""The compiled gadget: what the daemon leaves behind for the early unit of the next boot, one step a line.

    serial 10000000a1b2c3d4          for this Pi and no other
    mkdir strings/0x409              in configfs, below the gadget's folder
    write idVendor 0x1d6b
    link configs/c.1/ecm.usb0 functions/ecm.usb0
    ip link set @ecm up              for `ip -batch`; @ecm is the interface that the function has been given
    end

Not JSON: loading Python's `json` (it takes `re` along) would cost the early unit more than all of its work.
"""

PATH = "/var/lib/appliance/gadget"


class Compiled:
    """A compiled gadget: its tree in configfs, and what `ip -batch` shall do once its interfaces are there."""

    def __init__(self, serial: str) -> None:
        self.serial = serial
        self.folders: list[str] = []
        self.files: dict[str, str] = {}
        self.links: list[tuple[str, str]] = []
        self.network: list[str] = []

    def batch(self, interfaces: dict[str, str]) -> list[str]:
        """The lines for `ip -batch`, with the interfaces (by function) that the kernel has given."""
        names = {f"@{function}": interface for function, interface in interfaces.items()}
        return [" ".join(names.get(word, word) for word in line.split()) for line in self.network]

    def lines(self) -> list[str]:
        """The text, line by line."""
        return [
            f"serial {self.serial}",
            *(f"mkdir {path}" for path in self.folders),
            *(f"write {path} {value}" for path, value in self.files.items()),
            *(f"link {path} {target}" for path, target in self.links),
            *(f"ip {line}" for line in self.network),
            "end",
        ]


def parse(text: str) -> Compiled:
    """The compiled gadget in a text. Raises ValueError for a text that is not one, or not all of one."""
    first, *steps = text.splitlines() or [""]
    word, _, serial = first.partition(" ")
    if word != "serial" or steps[-1:] != ["end"]:
        raise ValueError("it is not whole")
    compiled = Compiled(serial)
    for step in steps[:-1]:
        _take(compiled, step)
    return compiled


def _take(compiled: Compiled, step: str) -> None:
    verb, _, rest = step.partition(" ")
    path, _, value = rest.partition(" ")
    if verb == "mkdir":
        compiled.folders.append(rest)
    elif verb == "write":
        compiled.files[path] = value
    elif verb == "link":
        compiled.links.append((path, value))
    elif verb == "ip":
        compiled.network.append(rest)
    else:
        raise ValueError(f"nobody knows how to {step}")

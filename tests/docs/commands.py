"""How the commands of the documents are tried: each is run as it stands, or changed in a way that is told here, or run
elsewhere, by a test that is named. What is not in here is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tried:
    """`command`: what is run in place of it; `says`: what it prints; `codes`: how it may end."""

    command: str
    says: str = ""
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Elsewhere:
    """It takes minutes, or another machine. `test`: the file of the one that does it, in which `words` stand."""

    where: str
    test: str
    words: str


CARD = "card.img"
"""A file in place of the card's disk."""

COMPUTER: Mapping[str, Tried | Elsewhere] = {
    r"sudo apt install make": Tried("sudo apt-get install --yes make"),
    r"make tools": Tried("make tools"),
    r"\. \.venv/bin/activate": Tried(". .venv/bin/activate && command -v appliance", ".venv/bin/appliance"),
    r"appliance init (gateway|gadget)( --from-he he.txt)?": Tried(r"\g<0>", "wrote appliance.yaml"),
    r"appliance check appliance.yaml": Tried(r"\g<0>", "fine: "),
    # The whole takes minutes: tests/image/test_build.py.
    r"appliance build --config appliance.yaml( --board zero)?": Tried(r"\g<0> --plan", "rootfs: would run"),
    r"make image( PROFILE=gadget BOARD=zero)?": Tried(r"\g<0> --dry-run", "-m appliance build --profile g"),
    r"make (test|lint)": Tried(r"\g<0> --dry-run", "-m pytest"),
    r"make deb": Tried("make deb", "dist/appliance-gadget_0.1.0_all.deb"),
    # There may be a card in this machine, or none.
    r"appliance flash dist/\S+": Tried(r"\g<0>", "disk that can be taken out|to write to", (0, 2)),
    r"sudo \.venv/bin/appliance flash (\S+) /dev/sdX": Tried(
        rf"truncate -s 1G {CARD} && sudo .venv/bin/appliance flash \1 {CARD} --force", "turn that on"
    ),
    r"appliance stamp \S+ --config devices/\*\.yaml -o cards": Tried(r"\g<0>", "cards/ipv6gw"),
    r"(cat|zstd) (.*)of=/dev/sdX(.*)": Tried(rf"truncate -s 1G {CARD} && \1 \2of={CARD}\3", "copied"),
    r"sudo bmaptool .*": Elsewhere("a package of its own", "tests/image/test_flash_image.py", "bmaptool"),
    r"sudo apt install \./dist/appliance-builder_.*": Elsewhere(
        "a Debian of its own", "tests/deb/test_builder.py", "apt-get"
    ),
    r"docker (build|run) .*": Elsewhere("a container", "tests/container/test_builder.py", "docker"),
    r"appliance lab dist/.*": Elsewhere("QEMU", "tests/vm/test_tunnel_health.py", "commanding(gateway_image"),
    r"rpi-imager .*": Elsewhere("it has windows", "tests/image/test_manifest.py", "os_list"),
}
"""Of the computer on which images are made: a fresh Debian with the sources in it."""

PI: Mapping[str, Elsewhere] = {
    r"appliance status": Elsewhere("a booted image", "tests/vm/test_tunnel_health.py", '"appliance", "status"'),
    r"appliance logs": Elsewhere("a booted image", "tests/vm/test_recovery.py", '"appliance", "logs"'),
    r"appliance explain .*": Elsewhere("a booted image", "tests/vm/test_gateway.py", '"appliance", "explain"'),
    r"(sudo )?appliance plan.*": Elsewhere("a booted image", "tests/vm/test_gateway.py", '"appliance", "plan"'),
    r"sudo appliance confirm": Elsewhere("a booted image", "tests/vm/test_recovery.py", '"appliance", "confirm"'),
    r"sudo appliance apply": Elsewhere("a booted Debian", "tests/managers/test_uplinks.py", '"apply"'),
    r"appliance firewall .*": Elsewhere("a booted image", "tests/vm/test_gateway.py", '"appliance", "firewall"'),
    r"sudo (apt install )?conntrack.*": Elsewhere("network namespaces", "tests/netns/test_tightened.py", "conntrack"),
}

HOME: Mapping[str, Elsewhere] = {
    r"ping -6 .*": Elsewhere("a booted image, and a client of its", "tests/vm/test_gateway.py", "client"),
    r"ssh pi@\S+\.local": Elsewhere("a booted image", "tests/vm/test_recovery.py", "ssh"),
}

MACHINE: Mapping[str, Elsewhere] = {
    r"sudo apt install \./appliance_.*": Elsewhere("a Debian of its own", "tests/debians.py", "apt-get install"),
    r"cp /usr/share/doc/appliance/examples/.*": Elsewhere(
        "the same", "tests/deb/test_deb.py", "doc/appliance/examples"
    ),
    r"appliance check .*": Elsewhere("pure", "tests/appliance/test_cli.py", '"check"'),
    r"appliance init gateway( +#.*)?": Elsewhere("pure", "tests/appliance/test_init.py", '"init"'),
    r"sudo appliance confirm( +#.*)?": Elsewhere("a booted Debian", "tests/deb/test_profiles.py", '"confirm"'),
    r"sudo cp .* /etc/appliance/appliance.yaml.*": Elsewhere("the same", "tests/deb/test_deb.py", "etc/appliance"),
}

PLACES: Mapping[str, Mapping[str, Tried | Elsewhere]] = {
    "sh": COMPUTER,
    "sh on the Pi": PI,
    "sh at home": HOME,
    "sh on the machine": MACHINE,
}
"""By what stands behind the block's fence."""


def way(place: str, command: str) -> Tried | Elsewhere | None:
    """How a command is tried; None: nobody knows."""
    for pattern, found in PLACES[place].items():
        if match := re.fullmatch(pattern, command):
            return (
                found if isinstance(found, Elsewhere) else Tried(match.expand(found.command), found.says, found.codes)
            )
    return None

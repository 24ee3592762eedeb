"""How the commands of the documents are tried: each is run as it stands, or changed in a way that is told here, or run
elsewhere, by a function that is named. What is not in here is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from image.recipe import PROJECT
from tests.docs.reached import reached


@dataclass(frozen=True)
class Tried:
    """`command`: what is run in place of it; `says`: what it prints."""

    command: str
    says: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """It takes minutes, or another machine. `test`: FILE::FUNCTION of what does it, in which all `words` stand: a test,
    or what one uses.
    """

    where: str
    test: str
    words: tuple[str, ...]

    @property
    def lacking(self) -> list[str]:
        """Those of the words that stand there no more; all of them if there is no such function."""
        file, _, name = self.test.partition("::")
        source = functions(PROJECT / file).get(name, "")
        return [words for words in self.words if words not in source]

    @property
    def is_run(self) -> bool:
        """Whether that is a test which nobody has marked to be skipped, or used by one."""
        file, _, name = self.test.partition("::")
        return (file, name) in reached(PROJECT)


@cache
def functions(file: Path) -> Mapping[str, str]:
    """The source of each function of a file, all in one line, by its name."""
    text = file.read_text(encoding="utf-8")
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    return {node.name: " ".join((ast.get_source_segment(text, node) or "").split()) for node in found}


CARD = "card.img"
"""A file in place of the card's disk."""

COMPUTER: Mapping[str, Tried | Elsewhere] = {
    r"sudo apt install make": Tried("sudo apt-get install --yes make"),
    r"make tools": Tried("make tools"),
    # QEMU is large: what is listed is compared with what the lab needs, by tests/lab/test_session.py.
    r"make lab-tools": Tried(r"\g<0> --dry-run", "image/lab/host-packages.txt"),
    r"\. \.venv/bin/activate": Tried(". .venv/bin/activate && command -v appliance", ".venv/bin/appliance"),
    r"appliance init (gateway|gadget)( --from-he he.txt)?": Tried(r"\g<0>", "wrote appliance.yaml"),
    r"appliance check appliance.yaml": Tried(r"\g<0>", "fine: "),
    r"appliance build --config appliance.yaml": Tried(r"\g<0>", r"dist/appliance-\w+-arm64\.img\.zst"),
    # The mirror has no whole lists of its packages at times: tests/images.py.
    r"appliance build --config appliance.yaml --board zero": Tried(r"\g<0> --plan", "rootfs: would run"),
    r"make (test|lint)": Tried(r"\g<0> --dry-run", "-m pytest"),
    r"make deb": Tried("make deb", "dist/appliance-gadget_0.1.0_all.deb"),
    # There may be a card in this machine, or none.
    r"appliance flash dist/\S+": Tried(r"\g<0>", "disk that can be taken out|to write to"),
    r"sudo \.venv/bin/appliance flash (\S+) /dev/sdX": Tried(
        rf"truncate -s 4G {CARD} && sudo .venv/bin/appliance flash \1 {CARD} --force", "turn that on"
    ),
    r"appliance stamp \S+ --config devices/\*\.yaml -o cards": Tried(r"\g<0>", "cards/ipv6gw"),
    r"(cat|zstd) (.*)of=/dev/sdX(.*)": Tried(rf"truncate -s 4G {CARD} && \1 \2of={CARD}\3", "copied"),
    r"sudo bmaptool .*": Elsewhere(
        "a package of its own",
        "tests/image/test_outputs.py::test_bmaptool_writes_the_image_and_checks_it",
        ('"bmaptool", "copy", "--bmap"',),
    ),
    r"sudo apt install \./dist/appliance-builder_.*": Elsewhere(
        "a Debian of its own", "tests/deb/test_builder.py::debian", ('*APT, "install"', "{BUILDER}")
    ),
    r"docker build .*": Elsewhere(
        "a container",
        "tests/container/test_builder.py::made",
        ('docker("build"', '"--file", "image/container/Containerfile"'),
    ),
    r"alias appliance='docker run .*": Elsewhere(
        "a container",
        "tests/container/test_builder.py::test_an_image_is_built",
        ('docker("run", "--rm"', "*OPTIONS, *volumes, BUILDER", '"check", "appliance.yaml"', '"build", "--config"'),
    ),
    r"appliance lab dist/\S+ --config appliance.yaml": Elsewhere(
        "QEMU", "tests/vm/commanded.py::begun", ('("lab", packed.name, "--config", "appliance.yaml"',)
    ),
    r"appliance lab dist/\S+ --headless --expect ready": Elsewhere(
        "QEMU", "tests/vm/test_expected.py::lab", ('"--expect", "ready"',)
    ),
    r"rpi-imager .*": Elsewhere(
        "it has windows",
        "tests/image/test_manifest.py::test_everything_that_imager_needs_is_there_and_true",
        ("jsonschema.validate(found, SCHEMA)",),
    ),
}
"""Of the computer on which images are made: a fresh Debian with the sources in it."""


def in_an_image(test: str, *words: str) -> Elsewhere:
    """By what is asked of a booted one."""
    return Elsewhere("a booted image", f"tests/vm/{test}", words)


LAB: Mapping[str, Elsewhere] = {
    r"appliance lab (fault --list)": Elsewhere(
        "network namespaces",
        "tests/lab/test_session_verbs.py::test_a_fault_is_there_until_it_is_mended",
        ('lab("fault", "--list")',),
    ),
    r"appliance lab shell pi": in_an_image("test_tunnel_health.py::test_the_users_command", 'says("shell", "pi"'),
    r"appliance lab shell (client) -- (curl) .*": in_an_image(
        "test_tunnel_health.py::test_the_users_command", r'says("shell", "\1", "--", "\2"'
    ),
    r"appliance lab (status|mend)": in_an_image("test_tunnel_health.py::test_the_users_command", r'says("\1")'),
    r"appliance lab (\w+) (uplink|proto41)": in_an_image(
        "test_tunnel_health.py::test_the_users_command", r'says("\1", "\2")'
    ),
    r"appliance lab page": Elsewhere(
        "network namespaces", "tests/lab/test_session_verbs.py::handed_on", ('"appliance", "lab", "page"',)
    ),
    r"appliance lab end": in_an_image("test_tunnel_health.py::test_it_is_ended_and_leaves_nothing", 'says("end")'),
}
"""Of another terminal, while a lab runs."""

PI: Mapping[str, Elsewhere] = {
    r"appliance status": in_an_image(
        "test_tunnel_health.py::test_full_packets_that_vanish_are_measured_and_no_longer_used", '"appliance", "status"]'
    ),
    r"appliance logs": in_an_image(
        "test_recovery.py::test_whoever_logs_in_is_greeted_with_the_state", '"appliance", "logs")'
    ),
    r"appliance explain .*": in_an_image("test_gateway.py::test_plan_and_explain", '"appliance", "explain"'),
    r"appliance plan": in_an_image("test_gateway.py::test_plan_and_explain", '"appliance", "plan")'),
    r"sudo appliance plan new.yaml": in_an_image(
        "test_gateway.py::test_plan_for_another_configuration", '"appliance", "plan", "/root/new.yaml"'
    ),
    r"sudo appliance confirm": in_an_image(
        "test_recovery.py::test_whoever_moves_it_confirms", '"appliance", "confirm"'
    ),
    r"sudo appliance apply": Elsewhere(
        "a booted Debian",
        "tests/managers/test_uplinks.py::test_the_daemon_is_asked_over_the_bus",
        ('"appliance", "apply"',),
    ),
    r"appliance firewall (explain|test) ?.*": in_an_image(
        "test_gateway.py::test_the_firewall_in_words", r'"appliance", "firewall", "\1"'
    ),
    r"sudo (apt install )?conntrack.*": Elsewhere(
        "network namespaces", "tests/netns/test_tightened.py::cut", ('"conntrack", "-D"',)
    ),
}

HOME: Mapping[str, Elsewhere] = {
    r"ping -6 .*": Elsewhere("a client of a lab's", "tests/lab/checks.py::passes_full_packets", ("client.ping(",)),
    r"ssh pi@\S+\.local": in_an_image("test_recovery.py::login", '"ssh"', "pi@{address}"),
}

MACHINE: Mapping[str, Elsewhere] = {
    r"sudo apt install \./appliance_\S+ \./appliance-gateway_.*": Elsewhere(
        "a Debian of its own", "tests/deb/test_profiles.py::install", ('*APT, "install"',)
    ),
    r"sudo apt install \./appliance_\S+": Elsewhere(
        "a Debian of its own", "tests/debians.py::debian_root", ("{_INSTALL} /appliance.deb",)
    ),
    r"cp /usr/share/doc/appliance/examples/.*": Elsewhere(
        "the same", "tests/deb/test_deb.py::test_its_example_is_done_with_this_debians_libraries", ("EXAMPLE",)
    ),
    r"appliance check .*": Elsewhere(
        "pure", "tests/appliance/test_cli.py::test_check_of_the_other_profiles", ('main(["check"',)
    ),
    r"sudo install -m 600 .* /etc/appliance/appliance.yaml.*": Elsewhere(
        "the same",
        "tests/deb/test_deb.py::test_its_example_is_done_with_this_debians_libraries",
        ("etc/appliance/appliance.yaml",),
    ),
    r"appliance init gateway( +#.*)?": Elsewhere(
        "pure", "tests/appliance/test_init.py::test_init_writes_the_file_and_its_schema", ('main(["init", "gateway"',)
    ),
    r"sudo appliance confirm( +#.*)?": Elsewhere(
        "a booted Debian",
        "tests/deb/test_profiles.py::test_the_gateway_serves_its_lan_and_is_closed_to_the_outside",
        ('"appliance", "confirm"',),
    ),
}

PLACES: Mapping[str, Mapping[str, Tried | Elsewhere]] = {
    "sh": COMPUTER,
    "sh in the lab": LAB,
    "sh on the Pi": PI,
    "sh at home": HOME,
    "sh on the machine": MACHINE,
}
"""By what stands behind the block's fence."""


def way(place: str, command: str) -> Tried | Elsewhere | None:
    """How a command is tried; None: nobody knows."""
    for pattern, found in PLACES[place].items():
        if match := re.fullmatch(pattern, command):
            if isinstance(found, Elsewhere):
                return replace(found, words=tuple(map(match.expand, found.words)))
            return Tried(match.expand(found.command), found.says)
    return None

"""The LED tells how things are: which state by which pattern, and what is written for it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Mark, Problem
from appliance.model import Appliance, LedUse, Profile
from firstboot.facts import Facts, Link, Route
from firstboot.health.diagnosis import HEALTHY, Diagnosis, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.led import DARK, FAST, FLASHES, SLOW, STEADY, Led, Pattern, pattern
from firstboot.reconcile import Outcome, State
from firstboot.status import Source, Status

UNIT = Path(__file__).parents[2] / "overlays/base/usr/lib/systemd/system/appliance.service.d/image.conf"
TRIGGERS = ("none", "kbd-scrolllock", "mmc0", "timer", "heartbeat")
UP, DOWN = Link("eth0", up=True, carrier=True), Link("eth0", up=True)
DEAD = diagnosis(
    Evidence(address=IPv4Address("192.168.1.252"), has_route=True, far_end=False, beyond=False, server=True)
)
OK, WAITS = Outcome("files", State.OK), Outcome("firewall", State.WAITING, error="not yet")
MISTAKE = Problem(Mark("appliance.yaml", 1, 1), "it is wrong")


def facts(eth0: Link = UP, found: Diagnosis = HEALTHY) -> Facts:
    route = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254"), 100)
    return Facts(links={"eth0": eth0}, routes=(route,), healths=(Health(found.works, found),))


WELL = facts()
STATES: Mapping[str, tuple[Pattern, tuple[Outcome, ...], Facts, Mapping[str, Any]]] = {
    "ready": (STEADY, (OK,), WELL, {}),
    "a part waits": (FLASHES, (OK, WAITS), WELL, {}),
    "a part failed": (FLASHES, (Outcome("files", State.FAILED),), WELL, {}),
    "nothing is known yet": (FLASHES, (WAITS,), Facts(), {}),
    "the pass failed": (FLASHES, (), Facts(), {"failure": "the disk is full"}),
    "no cable": (SLOW, (WAITS,), facts(eth0=DOWN), {}),
    "no router": (SLOW, (WAITS,), replace(WELL, routes=()), {}),
    "the tunnel is dead": (SLOW, (WAITS,), facts(found=DEAD), {}),
    "a mistake": (FAST, (OK,), WELL, {"problems": (MISTAKE,)}),
    "it cannot be read": (FAST, (OK,), WELL, {"trouble": "it cannot be read"}),
    "it was taken back": (FAST, (OK,), WELL, {"refused": "it cut somebody off"}),
    "a mistake, and no cable": (FAST, (WAITS,), facts(eth0=DOWN), {"problems": (MISTAKE,)}),
}


def told(appliance: Appliance, outcomes: tuple[Outcome, ...] = (OK,), seen: Facts = WELL, **more: Any) -> Status:
    return replace(Status(appliance, Source.FILE, outcomes, seen), **more)


@pytest.mark.parametrize("case", STATES)
def test_each_state_has_its_pattern(gateway: Appliance, case: str) -> None:
    expected, outcomes, seen, more = STATES[case]
    assert pattern(told(gateway, outcomes, seen, **more)) == expected


@pytest.mark.parametrize("case", STATES)
@pytest.mark.parametrize(("use", "expected"), [(LedUse.OFF, DARK), (LedUse.SYSTEM, None)])
def test_it_need_not_tell(gateway: Appliance, case: str, use: LedUse, expected: Pattern | None) -> None:
    _, outcomes, seen, more = STATES[case]
    assert pattern(told(replace(gateway, led=use), outcomes, seen, **more)) == expected


def test_somebody_elses_machine_keeps_its_led() -> None:
    assert pattern(told(Appliance(profile=Profile.CUSTOM))) is None


class Kernel:
    """An LED in a folder, as strict as the kernel's (drivers/leds/led-class.c, led-triggers.c, ledtrig-timer.c)."""

    def __init__(self, folder: Path, name: str = "ACT", triggers: tuple[str, ...] = TRIGGERS) -> None:
        self.leds, self.led, self.triggers = folder / "leds", folder / "leds" / name, triggers
        self.written: list[tuple[str, str]] = []
        self.appear()

    def appear(self) -> None:
        """Its driver is loaded."""
        self.led.mkdir(parents=True, exist_ok=True)
        (self.led / "max_brightness").write_text("1\n")
        self._be("heartbeat", 0)

    def vanish(self) -> None:
        shutil.rmtree(self.led)

    def write(self, path: Path, value: str) -> None:
        """What a program writes into a file of the LED's."""
        assert path.parent == self.led
        self.written.append((path.name, value.strip()))
        if path.name == "trigger":
            if value.strip() not in self.triggers:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self._be(value.strip(), 0)
        elif path.name == "brightness":
            self._be("none" if int(value) == 0 else self.trigger, min(int(value), 1))
        elif path.name in ("delay_on", "delay_off") and path.exists():
            path.write_text(f"{int(value)}\n")
        else:  # nobody makes a file there
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def _be(self, trigger: str, brightness: int) -> None:
        shown = " ".join(f"[{each}]" if each == trigger else each for each in self.triggers)
        (self.led / "trigger").write_text(f"{shown}\n")
        (self.led / "brightness").write_text(f"{brightness}\n")
        for name in ("delay_on", "delay_off"):
            (self.led / name).unlink(missing_ok=True)
            if trigger == "timer":
                (self.led / name).write_text("500\n")

    @property
    def trigger(self) -> str:
        [found] = re.findall(r"\[(\S+)\]", (self.led / "trigger").read_text())
        return str(found)

    @property
    def shown(self) -> tuple[object, ...]:
        """The trigger, and what there is of brightness (`none`) or times (`timer`)."""
        names = {"none": ("brightness",), "timer": ("delay_on", "delay_off")}.get(self.trigger, ())
        return (self.trigger, *(int((self.led / name).read_text()) for name in names))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


@pytest.fixture
def led(kernel: Kernel, tmp_path: Path) -> Led:
    return Led(kernel.leds, tmp_path / "former", kernel.write)


@pytest.mark.parametrize("before", [None, DARK, STEADY, SLOW])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (STEADY, ("none", 1)),
        (DARK, ("none", 0)),
        (SLOW, ("timer", 1000, 1000)),
        (FAST, ("timer", 100, 100)),
        (FLASHES, ("timer", 100, 1900)),
        (None, ("heartbeat",)),
    ],
)
def test_the_kernel_shows_it(
    led: Led, kernel: Kernel, before: Pattern | None, wanted: Pattern | None, expected: tuple[object, ...]
) -> None:
    led.show(before)
    led.show(wanted)
    assert kernel.shown == expected


def test_only_another_one_is_written(led: Led, kernel: Kernel) -> None:
    led.show(None)
    assert kernel.written == [], "an LED that nobody wants is left alone"
    led.show(SLOW)
    assert kernel.written == [("trigger", "timer"), ("delay_on", "1000"), ("delay_off", "1000")]
    led.show(SLOW)
    assert len(kernel.written) == 3


def test_it_is_given_back_as_it_was_when_it_was_taken(led: Led, kernel: Kernel, tmp_path: Path) -> None:
    kernel._be("mmc0", 0)
    for each in (STEADY, FAST, None):
        led.show(each)
    assert kernel.shown == ("mmc0",)
    assert not (tmp_path / "former").exists()


def test_what_a_daemon_that_was_killed_has_left_is_no_former_one(led: Led, kernel: Kernel, tmp_path: Path) -> None:
    """Its unit could not give it back, either."""
    led.show(FAST)
    for wanted in (SLOW, None):
        Led(kernel.leds, tmp_path / "former", kernel.write).show(wanted)
    assert kernel.shown == ("heartbeat",)
    assert not (tmp_path / "former").exists()


def test_the_older_name_does_as_well(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, "led0")
    Led(kernel.leds, tmp_path / "former", kernel.write).show(STEADY)
    assert kernel.shown == ("none", 1)


def test_without_an_led_nothing_is_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Kernel(tmp_path, "mmc0::")
    Led(tmp_path / "leds", tmp_path / "former").show(STEADY)
    Led(tmp_path / "there are none", tmp_path / "former").show(STEADY)
    assert not caplog.records
    assert not (tmp_path / "former").exists()


def test_one_that_comes_later_shows_what_is_told_then(led: Led, kernel: Kernel) -> None:
    kernel.vanish()
    led.show(STEADY)
    kernel.appear()
    led.show(STEADY)
    assert kernel.shown == ("none", 1)


def test_a_kernel_that_cannot_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kernel = Kernel(tmp_path, triggers=("none", "heartbeat"))
    led = Led(kernel.leds, tmp_path / "former", kernel.write)
    led.show(SLOW)
    led.show(SLOW)
    assert [each.message for each in caplog.records] == [
        "the LED ACT cannot tell how things are: trigger cannot be timer: Invalid argument"
    ]
    led.show(STEADY)
    assert kernel.shown == ("none", 1)


@pytest.mark.programs
@pytest.mark.parametrize("taken", [True, False])
def test_whatever_ends_the_daemon_its_unit_gives_the_led_back(tmp_path: Path, led: Led, taken: bool) -> None:
    """systemd runs the command as it stands: what a $ stands before is not in braces (systemd.service(5))."""
    [command] = re.findall(r"^ExecStopPost=/bin/sh -c '(.*)'$", UNIT.read_text(), re.MULTILINE)
    assert "${" not in command and "%" not in command
    if taken:
        led.show(FAST)
    script = command.replace("/run/appliance/led", str(tmp_path / "former"))
    done = subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "leds/ACT/trigger").read_text() == (
        "heartbeat\n" if taken else "none kbd-scrolllock mmc0 timer [heartbeat]\n"
    )
    assert not (tmp_path / "former").exists()

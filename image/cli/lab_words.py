"""The words of `appliance lab`: its verbs, of which the first may be left out, and their options."""

from __future__ import annotations

import argparse
from collections import UserDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InputError
from image.lab.session.names import CABLES, FAULTS, PLACES

RUN = "run"
MACHINES = ("virt", "raspi3b", "raspi0")
WORDS = ("ready", "waiting", "failed", "config-error")

DESCRIPTION = """\
Boot an image here, in QEMU, with a whole network around it: nothing of it is real, and nothing gets out.

A gateway has a home router, the tunnel's provider as its configuration names it, an IPv6 Internet with a web server,
and a client on its LAN. A gadget has a home around its uplink, by wire or by Wi-Fi, and a laptop at its USB port. The
image is copied; what happens here does not change it. No root is needed: all is in namespaces of its own.

`appliance lab IMAGE` is short for `appliance lab run IMAGE`; everything else is asked from another terminal.
"""
EPILOG = """\
examples:
  appliance lab dist/appliance-gateway-arm64.img.zst --config appliance.yaml
      boot it with your configuration, and watch it come up; Ctrl-C ends it, and nothing is left
  appliance lab status                  in another terminal: what the Pi says
  appliance lab shell client            a shell on the LAN; pi, router, internet, and of a gadget laptop as well
  appliance lab shell client -- curl -6 http://www.example.net/
  appliance lab page                    the status page, for a browser on this computer
  appliance lab unplug uplink           pull the Pi's cable; `appliance lab plug uplink` puts it back
  appliance lab fault --list            what else can be broken
  appliance lab fault proto41           break it, watch what the Pi does about it, and
  appliance lab mend                    put everything right
  appliance lab dist/appliance-gateway-arm64.img.zst --headless --expect ready
      for CI: 0 when the Pi is ready and its client reaches the IPv6 Internet, 1 if not within the time
"""
RUN_EPILOG = """\
What QEMU plays: virt is a machine with two ARM Cortex-A53 processors that no board is, and the fastest; raspi3b is a
Raspberry Pi 3 B, raspi0 a Zero, which 32-bit images need. The kernel, its initrd and the whole card are the image's;
the boards' firmware, radios and USB device ports are not played. The laptop and the air are in the kernel of virt
itself. All processors are emulated: a boot takes one to five minutes, of a Zero half an hour.
"""


@dataclass(frozen=True)
class Name:
    """The type of a word that is looked for in the lab that runs: one of those that any lab has, as far as is known.

    `offered`: those, for shells.
    """

    offered: Sequence[str]

    def __call__(self, word: str) -> str:
        """The word: the lab says whether it has that."""
        return word


class AnyWord(UserDict[str, argparse.ArgumentParser]):
    """Verbs and their parsers. argparse asks whether a word may stand in their place: any may, being an image."""

    def __init__(self, verbs: dict[str, argparse.ArgumentParser]) -> None:
        super().__init__()
        self.data = verbs  # as it will be

    def __contains__(self, _: object) -> bool:
        """It may."""
        return True


class Verbs(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Verbs, of which `left_out` may be left out: what is none is the image to run."""

    left_out = RUN

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.choices: Any = AnyWord(self._name_parser_map)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """As argparse calls it, with all words after the options of `lab` itself."""
        words = list(values or ())
        verbs = list(self._name_parser_map)
        if words and words[0] not in verbs:
            _refuse_verbs(words[0], verbs)
            words = [self.left_out, *words]
        super().__call__(parser, namespace, words, option_string)


def _refuse_verbs(word: str, verbs: Sequence[str]) -> None:
    """Raise InputError for a word that looks like a verb, and is not the name of a file."""
    if word.isalpha() and not Path(word).exists():
        raise InputError(
            f"{word} is no image, and `appliance lab` knows no such verb", hint=f"verbs: {', '.join(verbs)}"
        )


def verb_missing(verbs: Sequence[str]) -> InputError:
    """The error for nothing at all."""
    hint = f"`appliance lab IMAGE` boots one, an appliance-….img.zst; verbs: {', '.join(verbs)}"
    return InputError("appliance lab: an image is missing, or a verb", hint=hint)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's verbs to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.usage = "appliance lab IMAGE [options]\n       appliance lab VERB [...]"
    verbs = parser.add_subparsers(action=Verbs, dest="verb", title="verbs", metavar="VERB", prog="appliance lab")
    _configure_run(_verb(verbs, RUN, "boot an image, and watch it come up", epilog=RUN_EPILOG))
    _verb(verbs, "status", "what the Pi says, and what is seen from around it")
    shell = _verb(verbs, "shell", "a shell on the Pi (pi), or on a host around it, or one command there after --")
    shell.add_argument("place", nargs="?", type=Name(PLACES), metavar="PLACE", help="where; left out: list the places")
    shell.add_argument(
        "words", nargs="*", default=[], metavar="COMMAND", help="a command, after --; on the Pi and a laptop as root"
    )
    shown = _verb(verbs, "page", "show the Pi's status page to a browser on this computer, until Ctrl-C")
    shown.add_argument("--port", type=int, default=0, metavar="N", help="at 127.0.0.1 (default: any that is free)")
    for verb, about in (("unplug", "pull a cable of the Pi"), ("plug", "put it back")):
        cable = _verb(verbs, verb, about)
        cable.add_argument(
            "words",
            nargs=1,
            type=Name(CABLES),
            metavar="CABLE",
            help="uplink; of a gateway also lan, of a gadget usb",
        )
    fault = _verb(verbs, "fault", "break something around the Pi")
    fault.add_argument("words", nargs="?", type=Name(FAULTS), metavar="FAULT", help="left out: list them")
    fault.add_argument("--list", action="store_true", help="which there are; * are those that are there now")
    mend = _verb(verbs, "mend", "put right what is broken")
    mend.add_argument("words", nargs="?", type=Name(FAULTS), metavar="FAULT", help="left out: all, with the cables")
    wait = _verb(verbs, "wait", "wait until the Pi, and its client, are as they should be")
    wait.add_argument("words", nargs="?", choices=WORDS, default="ready", help="what the Pi says (default: ready)")
    wait.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds (default: %(default)g)")
    _verb(verbs, "end", "end the lab; nothing of it is left")
    parser.set_defaults(verbs=tuple(verbs.choices))


def _verb(verbs: Any, name: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=about, epilog=epilog, formatter_class=formatter)
    parser.description = f"{about[0].upper()}{about[1:]}."
    parser.add_argument("--name", metavar="NAME", help="which lab (default: the only one; of a new one `lab`)")
    return parser


def _configure_run(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "image", type=Path, metavar="IMAGE", help="an image that `appliance build` made: .img, .img.zst, .img.xz"
    )
    run.add_argument("--config", type=Path, metavar="FILE", help="the appliance.yaml for it (default: the image's own)")
    run.add_argument("--headless", action="store_true", help="say nothing of other terminals: for programs")
    run.add_argument("--expect", choices=WORDS, help="end when the Pi says so, and of ready its client as well")
    run.add_argument("--timeout", type=float, metavar="S", help="expect it within so many seconds")
    run.add_argument("--machine", choices=MACHINES, help="what QEMU plays (default: virt, for 32 bits raspi0)")
    run.add_argument("--logs", type=Path, metavar="DIR", help="keep all logs there, whatever happens")

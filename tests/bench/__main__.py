"""`python -m tests.bench [SUBJECT…]`: all subjects, or those that are named."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench import broker, build, drift, firewall, flash, gadget, gateway, uplink, withdrawal, zero

SUBJECTS = {
    "broker": broker.measure,
    "build": build.measure,
    "drift": drift.measure,
    "firewall": firewall.measure,
    "flash": flash.measure,
    "gateway": gateway.measure,
    "gadget": gadget.measure,
    "tunnel": withdrawal.measure,
    "uplink": uplink.measure,
    "zero": zero.measure,
}


def main() -> None:
    """Print everything that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Figures, measured now.")
    named = {**SUBJECTS, **drift.PARTS}
    parser.add_argument("subjects", nargs="*", choices=named, metavar="SUBJECT", help=", ".join(named))
    for name in parser.parse_args().subjects or SUBJECTS:
        with tempfile.TemporaryDirectory(prefix="appliance-bench-", dir=Path.home()) as folder:
            named[name](Path(folder))


if __name__ == "__main__":
    main()

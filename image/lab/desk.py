"""A program: the stand-in for the tunnel broker, at an address of its own, for a tunnel that is in a `Register`.

An address that does not answer its ping is refused. Each call is a line of JSON on standard output:
`{"at_s": 1234.5, "peer": "203.0.113.2", "named": null, "answer": "good 203.0.113.2"}`, by the monotonic clock.
The account's update key comes by standard input: whoever lists this machine's processes sees their words.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from ipaddress import IPv4Address
from pathlib import Path

from appliance.errors import PermanentError
from appliance.model import Broker
from image.lab.broker import Call, Desk, serving
from image.lab.register import Register
from image.run import run

SERVING = "serving"
"""What it says once it can be called."""


class RegisteredDesk(Desk):
    """What it is told is in force for the tunnel server before it has answered."""

    def __init__(self, account: Broker, register: Register) -> None:
        super().__init__(account.user, account.key, account.tunnel, pingable=answers_ping)
        self.register = register

    def update(self, authorization: str, query: str, peer: IPv4Address) -> str:
        """One call, and the line about it."""
        self.endpoint = self.register.endpoint()
        self.is_deleted = self.endpoint is None
        answer = super().update(authorization, query, peer)
        if self.endpoint != self.register.endpoint():
            self.register.enter(self.endpoint)
        sys.stdout.write(line(self.calls[-1]))
        sys.stdout.flush()
        return answer


def line(call: Call) -> str:
    """What is said of a call."""
    named = str(call.named) if call.named is not None else None
    return json.dumps({"at_s": call.at_s, "peer": str(call.peer), "named": named, "answer": call.answer}) + "\n"


def calls(text: str) -> list[Call]:
    """The calls that such lines are about."""
    found = [json.loads(each) for each in text.splitlines() if each.startswith("{")]
    return [
        Call(
            at_s=call["at_s"],
            peer=IPv4Address(call["peer"]),
            named=IPv4Address(call["named"]) if call["named"] is not None else None,
            answer=call["answer"],
        )
        for call in found
    ]


def answers_ping(address: IPv4Address) -> bool:
    """Whether it does, to the place that the broker is in."""
    try:
        run(["ping", "-n", "-c", "2", "-i", "0.3", "-W", "1", str(address)])
    except PermanentError:
        return False
    return True


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="the tunnel broker")
    parser.add_argument("--address", type=IPv4Address, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--register", type=Path, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--tunnel", type=int, required=True)
    asked = parser.parse_args()
    account = Broker(user=asked.user, key=sys.stdin.readline().rstrip("\n"), tunnel=asked.tunnel)
    desk = RegisteredDesk(account, Register(asked.register))
    with serving(desk, asked.certificate, str(asked.address)):
        sys.stderr.write(f"{SERVING}\n")
        sys.stderr.flush()
        signal.pause()


if __name__ == "__main__":
    main()

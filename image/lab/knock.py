"""A program: try to open a TCP connection, and print one word: connected, refused, timed-out or unreachable."""

from __future__ import annotations

import argparse
import socket


def knock(address: str, port: int, timeout_s: float) -> str:
    """What became of the attempt."""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except TimeoutError:
        return "timed-out"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"
    return "connected"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--timeout", type=float, default=3, metavar="S")
    arguments = parser.parse_args()
    print(knock(arguments.address, arguments.port, arguments.timeout))

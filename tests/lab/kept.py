"""A program: datagrams that are answered, all the time. `kept serve ADDRESS PORT`; `kept speak ADDRESS PORT`.

Who speaks tells of it in lines: how many were answered so far, and how many were lost. (TCP would send those again.)
"""

from __future__ import annotations

import socket
import sys
import time
from itertools import count

EVERY_S, LONGEST_S = 0.05, 10.0
"""An answer comes within the latter: an emulator may stand still for seconds."""


def serve(address: str, port: int) -> None:
    """Answer everybody, for ever."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as line:
        line.bind((address, port))
        print("serving", flush=True)
        while True:
            said, whose = line.recvfrom(8)
            line.sendto(said, whose)


def speak(address: str, port: int) -> None:
    """For ever, one datagram after the other."""
    answered = 0
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as line:
        line.connect((address, port))
        for number in count():
            answered += is_answered(line, number.to_bytes(8))
            print(answered, number + 1 - answered, flush=True)
            time.sleep(EVERY_S)


def is_answered(line: socket.socket, said: bytes) -> bool:
    """Whether it comes back, after whatever was late."""
    line.settimeout(LONGEST_S)
    try:
        line.send(said)
        while line.recv(8) != said:
            pass
    except OSError:
        return False
    return True


if __name__ == "__main__":
    {"serve": serve, "speak": speak}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))

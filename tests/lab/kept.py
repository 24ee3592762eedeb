"""A program: one TCP connection that is spoken on all the time. `kept serve ADDRESS PORT`; `kept speak ADDRESS PORT`.

Who speaks tells of it in lines: how often there was an answer.
"""

from __future__ import annotations

import socket
import sys
import time

EVERY_S = 0.05


def serve(address: str, port: int) -> None:
    """Answer one other until he ends."""
    with socket.create_server((address, port), family=socket.AF_INET6) as listener:
        print("serving", flush=True)
        line, _ = listener.accept()
        with line:
            while said := line.recv(1):
                line.sendall(said)


def speak(address: str, port: int) -> None:
    """For ever, or until the connection breaks."""
    answers = 0
    with socket.create_connection((address, port), timeout=60) as line:
        while True:
            line.sendall(b"?")
            if not line.recv(1):
                return
            answers += 1
            print(answers, flush=True)
            time.sleep(EVERY_S)


if __name__ == "__main__":
    {"serve": serve, "speak": speak}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))

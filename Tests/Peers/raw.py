"""A caller that may do what grpcio would never do: HTTP/2 through `h2`, the bytes of gRPC by hand."""

import socket
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events

#: Seconds that a silent peer is listened to.
PATIENCE = 10


def open_socket(address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(address: str, data: bytes) -> bytes:
    """Sends bytes and returns all that comes until the peer closes. Fails when it does not close."""
    with open_socket(address) as connection:
        connection.sendall(data)
        answer = b""
        while True:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                return answer
            if not piece:
                return answer
            answer += piece


def frame(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message in its frame; `length` lies about it."""
    return bytes([flag]) + (len(message) if length is None else length).to_bytes(4, "big") + message


@dataclass
class Answer:
    """What came back on one stream."""

    headers: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    data: bytes = b""
    reset: int | None = None
    is_complete: bool = False

    def status(self) -> int | None:
        """The gRPC status; None when the stream ended without one."""
        found = dict(self.headers) | dict(self.trailers)
        return int(found["grpc-status"]) if "grpc-status" in found else None

    @property
    def message(self) -> str:
        return (dict(self.headers) | dict(self.trailers)).get("grpc-message", "")

    @property
    def has_failed(self) -> bool:
        """Ended, and not as a success: a status other than OK, an HTTP error or a reset."""
        if self.reset is not None:
            return True
        http = dict(self.headers).get(":status", "")
        return self.is_complete and (http != "200" or self.status() not in (0, None))


class RawConnection:
    """One HTTP/2 connection whose frames a test chooses. Blocking, for one thread."""

    def __init__(self, address: str):
        self.socket = open_socket(address)
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        )
        self.answers: dict[int, Answer] = {}
        self.is_closed = False
        self.goaway: int | None = None
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def open(self, path: str, headers=(), method: str = "POST", ends: bool = False) -> int:
        """Opens a stream with the usual gRPC headers and returns its number."""
        stream = self.h2.get_next_available_stream_id()
        usual = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")]
        chosen = list(headers) or [("content-type", "application/grpc"), ("te", "trailers")]
        self.h2.send_headers(stream, usual + chosen, end_stream=ends)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, ends: bool = False):
        self.h2.send_data(stream, data, end_stream=ends)
        self.flush()

    def reset(self, stream: int):
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self.flush()

    def read(self, stream: int) -> Answer:
        """Reads until the stream or the connection ends; fails when neither does."""
        answer = self.answers[stream]
        while not answer.is_complete and answer.reset is None and not self.is_closed:
            self.turn()
        return answer

    def read_headers(self, stream: int) -> Answer:
        answer = self.answers[stream]
        while not answer.headers and answer.reset is None and not self.is_closed:
            self.turn()
        return answer

    def turn(self):
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_closed = True
            return
        for event in self.h2.receive_data(data):
            answer = self.answers.get(getattr(event, "stream_id", None))
            match event:
                case h2.events.ResponseReceived():
                    answer.headers = list(event.headers)
                case h2.events.TrailersReceived():
                    answer.trailers = list(event.headers)
                case h2.events.DataReceived():
                    answer.data += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    answer.is_complete = True
                case h2.events.StreamReset():
                    answer.reset = event.error_code
                case h2.events.ConnectionTerminated():
                    self.goaway = event.error_code
        self.flush()

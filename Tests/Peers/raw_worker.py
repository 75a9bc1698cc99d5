"""A worker on `h2` whose every frame a test chooses: for what grpcio never does, such as SETTINGS in the middle of a call.

Runs on a thread of the test's own process. Health is answered with OK; every other request goes to `on_request`, and
once it has ended to `on_end`, with the connection and the stream's number.
"""

import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from raw import frame
from stubs import make, pb

HEAD = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0"), ("grpc-message", "")]
HEALTHY = frame(make(pb.Reply, message="OK").SerializeToString())


class WorkerConnection:
    """One connection of the program to the worker. Everything happens on its thread."""

    def __init__(self, worker: "RawWorker", connected: socket.socket):
        self.worker = worker
        self.socket = connected
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8", validate_outbound_headers=False)
        )
        self.paths: dict[int, str] = {}
        self.bodies: dict[int, bytes] = {}
        self.open: set[int] = set()
        self.most_open = 0
        self.pings = 0
        self.resets: dict[int, int] = {}
        self.lock = threading.Lock()

    def flush(self):
        try:
            self.socket.sendall(self.h2.data_to_send())
        except OSError:
            pass

    def serve(self):
        self.h2.initiate_connection()
        self.flush()
        while True:
            try:
                data = self.socket.recv(262_144)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.pings += sum(1 for kind in frame_kinds(self, data) if kind == 6)
                try:
                    events = self.h2.receive_data(data)
                except h2.exceptions.ProtocolError as error:
                    self.worker.violations.append(f"{error!r}")
                    self.flush()
                    return
                for event in events:
                    self.take(event)
                self.flush()

    buffer = b""

    def take(self, event):
        match event:
            case h2.events.RequestReceived():
                self.paths[event.stream_id] = dict(event.headers)[":path"]
                self.bodies[event.stream_id] = b""
                self.open.add(event.stream_id)
                self.most_open = max(self.most_open, len(self.open))
                if not self.is_health(event.stream_id):
                    self.worker.calls += 1
                    self.worker.on_request(self, event.stream_id)
            case h2.events.DataReceived():
                self.bodies[event.stream_id] += event.data
                if self.worker.reads:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                if self.is_health(event.stream_id):
                    if self.worker.answers_health:
                        self.answer(event.stream_id, HEALTHY)
                elif event.stream_id in self.open:
                    self.worker.on_end(self, event.stream_id)
            case h2.events.StreamReset():
                self.resets[event.stream_id] = event.error_code
                self.open.discard(event.stream_id)

    def is_health(self, stream: int) -> bool:
        return self.paths[stream] == "/backend.Backend/Health"

    # MARK: - What a test does

    def answer(self, stream: int, body: bytes = b""):
        """A whole answer: by default a Reply without a message."""
        if stream not in self.open:
            return
        self.h2.send_headers(stream, HEAD)
        self.h2.send_data(stream, body or frame(b""))
        self.h2.send_headers(stream, OK, end_stream=True)
        self.open.discard(stream)

    def now(self, action):
        """Runs `action` from the test's thread and sends what it made."""
        with self.lock:
            action()
            self.flush()


def frame_kinds(connection: WorkerConnection, data: bytes):
    """The types of the frames that end in these bytes; PINGs are counted before h2 answers them."""
    connection.buffer += data
    if connection.buffer.startswith(b"PRI"):
        if len(connection.buffer) < 24:
            return
        connection.buffer = connection.buffer[24:]
    while len(connection.buffer) >= 9:
        end = 9 + int.from_bytes(connection.buffer[:3], "big")
        if len(connection.buffer) < end:
            return
        yield connection.buffer[3]
        connection.buffer = connection.buffer[end:]


class RawWorker:
    """Listens on a port of its own until `stop`."""

    def __init__(self, on_request=None, on_end=None, settings=None):
        self.on_request = on_request or (lambda connection, stream: None)
        self.on_end = on_end or (lambda connection, stream: connection.answer(stream))
        self.settings = settings or {}
        self.reads = True
        self.answers_health = True
        self.calls = 0
        self.violations: list[str] = []
        self.connections: list[WorkerConnection] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.connections:
            connection.socket.close()

    def accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = WorkerConnection(self, connected)
            if self.settings:
                connection.h2.local_settings.update(self.settings)
            self.connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def busiest(self) -> WorkerConnection:
        """The connection with the most open streams."""
        return max(self.connections, key=lambda connection: len(connection.open))

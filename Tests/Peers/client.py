"""The caller's side on grpcio: calls whose whole outcome is a value that a test can look at."""

import json
import queue
from dataclasses import dataclass, field

import grpc

from stubs import methods, pb

BACKEND = methods()
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # Without this every channel of the process to one address shares one connection.
    ("grpc.use_local_subchannel_pool", 1),
]

PREDICT = "/backend.Backend/Predict"
PREDICT_STREAM = "/backend.Backend/PredictStream"
LOAD_MODEL = "/backend.Backend/LoadModel"
FREE = "/backend.Backend/Free"
HEALTH = "/backend.Backend/Health"
AUDIO = "/backend.Backend/AudioToAudioStream"
ECHO = "/test.Echo/Unary"
ECHO_METADATA = "/test.Echo/Metadata"
ECHO_STREAM = "/test.Echo/Stream"
COLLECT = "/test.Echo/Collect"
BIDI = "/test.Echo/Bidi"

#: Seconds after which a call of a test is a failure; far above what any of them needs.
PATIENCE = 20


@dataclass
class Outcome:
    """How a call ended and everything that came back."""

    code: grpc.StatusCode
    details: str
    replies: list = field(default_factory=list)
    headers: list[tuple] = field(default_factory=list)
    trailers: list[tuple] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.code is grpc.StatusCode.OK

    @property
    def reply(self):
        assert self.ok, f"{self.code.name}: {self.details}"
        return self.replies[0]

    @property
    def worker(self) -> str:
        """The address of the worker that answered, as the worker itself tells it."""
        return dict(self.headers).get("x-worker", "")

    def header(self, name: str) -> str | bytes:
        return dict(self.headers)[name]


def script(**what) -> list[tuple[str, str]]:
    """The metadata that tells the worker what to do; see worker.py."""
    return [("x-script", json.dumps(what))]


def prompt(text: str | bytes, **fields):
    """A request for Predict and PredictStream."""
    from stubs import make

    return make(pb.PredictOptions, Prompt=text, **fields)


class Client:
    """One channel, and so one HTTP/2 connection, to an address."""

    def __init__(self, address: str, options=(), credentials: grpc.ChannelCredentials | None = None):
        self.address = address
        options = list((dict(OPTIONS) | dict(options)).items())
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def callable(self, path: str, raw: bool = False):
        """The grpcio multi-callable for a path: typed for `backend.Backend`, bytes for anything else or when `raw`."""
        if path in BACKEND and not raw:
            method = BACKEND[path]
            shape = (method.client_streaming, method.server_streaming)
            coders = (method.request.SerializeToString, method.response.FromString)
        else:
            name = path.rsplit("/", 1)[1]
            shape = (name in ("Collect", "Bidi"), name in ("Stream", "Bidi", "PredictStream"))
            coders = (None, None)
        factory = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }[shape]
        return factory(path, *coders)

    def call(self, path: str, request, metadata=(), timeout=PATIENCE, compression=None) -> Outcome:
        """Makes one call, reads it to its end and never raises for a status."""
        return self.start(path, request, metadata, timeout, compression).outcome()

    def start(self, path: str, request, metadata=(), timeout=PATIENCE, compression=None) -> "Call":
        """Opens a call and returns at once. A request of bytes is sent as it is, whatever the method expects."""
        multicallable = self.callable(path, raw=isinstance(request, bytes))
        is_single = hasattr(multicallable, "future")
        opening = multicallable.future if is_single else multicallable
        return Call(opening(request, timeout=timeout, metadata=tuple(metadata), compression=compression), is_single)

    def predict(self, text: str | bytes, metadata=(), timeout=PATIENCE, **fields) -> Outcome:
        return self.call(PREDICT, prompt(text, **fields), metadata, timeout)


class Call:
    """A call under way."""

    def __init__(self, rpc, is_single: bool):
        self.rpc = rpc
        self.is_single = is_single

    def next(self):
        """The next message of a stream of replies; fails with the call."""
        return next(self.rpc)

    def headers(self) -> dict:
        """The response headers; waits for them."""
        return dict(self.rpc.initial_metadata())

    def cancel(self):
        self.rpc.cancel()

    def outcome(self) -> Outcome:
        """Reads the call to its end."""
        replies = []
        try:
            if self.is_single:
                replies.append(self.rpc.result())
            else:
                replies.extend(self.rpc)
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass  # The code says it.
        return Outcome(
            self.rpc.code(),
            self.rpc.details() or "",
            replies,
            [tuple(pair) for pair in self.rpc.initial_metadata() or ()],
            [tuple(pair) for pair in self.rpc.trailing_metadata() or ()],
        )


class Conversation(Call):
    """A bidirectional call that is driven one message at a time."""

    def __init__(self, client: Client, path: str, metadata=(), timeout=PATIENCE):
        self.requests = queue.SimpleQueue()
        call = client.start(path, iter(self.requests.get, None), metadata, timeout)
        super().__init__(call.rpc, call.is_single)

    def ping(self, request):
        """Sends a message and returns the answer to it."""
        self.requests.put(request)
        return self.next()

    def close_half(self):
        self.requests.put(None)

    def cancel(self):
        super().cancel()
        self.close_half()  # Lets grpcio's thread that reads the requests end.

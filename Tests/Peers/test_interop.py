"""Every case of the public gRPC interoperability suite that needs no credentials, on a bare server and through the
program: what passes there must pass here. Names and numbers are those of the suite's description."""

import pathlib
import queue
import sys

import grpc
import pytest

from client import OPTIONS
from fleet import Homing
from frames import DATA, END_STREAM, Peer, frame
from interop_stubs import interop, methods
from processes import Process, wait_until

SERVICE = "/grpc.testing.TestService/"
METHODS = methods()
PATIENCE = 20
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
SIZES = [31415, 9, 2653, 58979]
REQUEST_SIZES = [27182, 8, 1828, 45904]


class Suite:
    """A channel to the server, direct or through the program."""

    def __init__(self, address: str):
        self.address = address
        self.channel = grpc.insecure_channel(address, options=OPTIONS)

    def __getattr__(self, name: str):
        method = METHODS.get(SERVICE + name) or METHODS[SERVICE + "EmptyCall"]
        shapes = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }
        make_call = shapes[method.client_streaming, method.server_streaming]
        return make_call(SERVICE + name, method.request.SerializeToString, method.response.FromString)


@pytest.fixture(scope="session")
def servers():
    """The server, the program in front of it."""
    path = pathlib.Path(__file__).with_name("interop_server.py")
    server = Process([sys.executable, path], r"^worker grpc=(\S+)$")
    homing = None
    addresses = {"direct": server.await_ready()[1]}
    try:

        def through() -> str:
            nonlocal homing
            if homing is None:
                homing = Homing([addresses["direct"]]).started()
                wait_until(lambda: homing.get("/ready")[0] == 200, "/ready answers 200")
            return homing.address

        yield lambda way: addresses["direct"] if way == "direct" else through()
    finally:
        code = homing.terminate() if homing else 0
        server.terminate()
        assert code == 0


@pytest.fixture
def suite(servers, way):
    suite = Suite(servers(way))
    yield suite
    suite.channel.close()


def simple(size: int = 314159, body: int = 271828, **fields):
    return interop.SimpleRequest(response_size=size, payload=interop.Payload(body=b"\x00" * body), **fields)


def output(sizes, body: int = 0, **fields):
    parameters = [interop.ResponseParameters(size=size) for size in sizes]
    return interop.StreamingOutputCallRequest(
        response_parameters=parameters, payload=interop.Payload(body=b"\x00" * body), **fields
    )


def failure(call) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        result = call()
        if hasattr(result, "__next__"):
            list(result)
    return caught.value


class Duplex:
    """A FullDuplexCall, driven by hand."""

    def __init__(self, suite: Suite, **fields):
        self.requests = queue.SimpleQueue()
        self.call = suite.FullDuplexCall(iter(self.requests.get, None), timeout=fields.pop("timeout", PATIENCE), **fields)

    def send(self, request):
        self.requests.put(request)

    def end(self):
        self.requests.put(None)


def test_empty_unary(suite):
    assert suite.EmptyCall(interop.Empty(), timeout=PATIENCE) == interop.Empty()


def test_cacheable_unary_is_an_ordinary_call_here(suite):
    answer = suite.UnaryCall(simple(), timeout=PATIENCE, metadata=(("x-user-ip", "1.2.3.4"),))
    assert len(answer.payload.body) == 314159


def test_large_unary(suite):
    answer = suite.UnaryCall(simple(), timeout=PATIENCE)
    assert answer.payload.body == b"\x00" * 314159


@pytest.mark.parametrize("compressed", [True, False])
def test_client_compressed_unary(suite, compressed):
    request = simple(expect_compressed=interop.BoolValue(value=compressed))
    coding = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
    assert len(suite.UnaryCall(request, timeout=PATIENCE, compression=coding).payload.body) == 314159


@pytest.mark.parametrize("compressed", [True, False])
def test_server_compressed_unary(suite, compressed):
    request = simple(response_compressed=interop.BoolValue(value=compressed))
    assert suite.UnaryCall(request, timeout=PATIENCE).payload.body == b"\x00" * 314159


@pytest.mark.parametrize("compressed", [True, False])
def test_the_compressed_flag_of_an_answer_is_relayed_as_it_is(servers, way, compressed):
    """What a library hides: the first byte of the message, and its coding's name."""
    request = simple(10_000, 10, response_compressed=interop.BoolValue(value=compressed)).SerializeToString()
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SERVICE + "UnaryCall"),
        (":authority", "test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
    ]
    with Peer(servers(way)) as peer:
        message = b"\x00" + len(request).to_bytes(4, "big") + request
        peer.send(peer.request(1, fields) + frame(DATA, END_STREAM, 1, message))
        assert peer.served(1) == "0"
        assert peer.data[1][0] == int(compressed), peer.story()
        assert (peer.field(1, "grpc-encoding") == "gzip") == compressed


def test_client_streaming(suite):
    requests = (interop.StreamingInputCallRequest(payload=interop.Payload(body=b"\x00" * n)) for n in REQUEST_SIZES)
    assert suite.StreamingInputCall(requests, timeout=PATIENCE).aggregated_payload_size == 74922


def test_client_compressed_streaming(suite):
    requests = (interop.StreamingInputCallRequest(payload=interop.Payload(body=b"\x00" * n)) for n in (27182, 45904))
    answer = suite.StreamingInputCall(requests, timeout=PATIENCE, compression=grpc.Compression.Gzip)
    assert answer.aggregated_payload_size == 73086


def test_server_streaming(suite):
    replies = list(suite.StreamingOutputCall(output(SIZES), timeout=PATIENCE))
    assert [len(reply.payload.body) for reply in replies] == SIZES


def test_server_compressed_streaming(suite):
    request = output([31415, 92653])
    request.response_parameters[0].compressed.value = True
    request.response_parameters[1].compressed.value = False
    replies = list(suite.StreamingOutputCall(request, timeout=PATIENCE))
    assert [len(reply.payload.body) for reply in replies] == [31415, 92653]


def test_ping_pong(suite):
    duplex = Duplex(suite)
    for size, body in zip(SIZES, REQUEST_SIZES):
        duplex.send(output([size], body))
        assert len(next(duplex.call).payload.body) == size
    duplex.end()
    assert list(duplex.call) == [] and duplex.call.code() is grpc.StatusCode.OK


def test_empty_stream(suite):
    duplex = Duplex(suite)
    duplex.end()
    assert list(duplex.call) == [] and duplex.call.code() is grpc.StatusCode.OK


def test_cancel_after_begin(suite):
    requests = queue.SimpleQueue()
    call = suite.StreamingInputCall.future(iter(requests.get, None), timeout=PATIENCE)
    call.cancel()
    requests.put(None)
    assert call.code() is grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(suite):
    duplex = Duplex(suite)
    duplex.send(output([31415], 27182))
    assert len(next(duplex.call).payload.body) == 31415
    duplex.call.cancel()
    duplex.end()
    assert failure(lambda: duplex.call).code() is grpc.StatusCode.CANCELLED


def test_timeout_on_sleeping_server(suite):
    duplex = Duplex(suite, timeout=0.001)
    request = output([31415], 27182)
    request.response_parameters[0].interval_us = 2_000_000
    duplex.send(request)
    assert failure(lambda: duplex.call).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    duplex.end()


@pytest.mark.parametrize("timeout", [0.05, 0.3])
def test_timeout_after_the_call_reached_the_server(suite, timeout):
    request = output([31415])
    request.response_parameters[0].interval_us = 5_000_000
    error = failure(lambda: suite.StreamingOutputCall(request, timeout=timeout))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


STATUS = interop.EchoStatus(code=2, message="test status message")
SPECIAL = interop.EchoStatus(code=2, message="\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")


@pytest.mark.parametrize("status", [STATUS, SPECIAL], ids=["status_code_and_message", "special_status_message"])
def test_status(suite, status):
    error = failure(lambda: suite.UnaryCall(simple(1, 1, response_status=status), timeout=PATIENCE))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, status.message)


def test_status_code_and_message_of_a_full_duplex_call(suite):
    duplex = Duplex(suite)
    duplex.send(output([], response_status=STATUS))
    duplex.end()
    error = failure(lambda: duplex.call)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, STATUS.message)


def test_unimplemented_method(suite):
    error = failure(lambda: suite.UnimplementedCall(interop.Empty(), timeout=PATIENCE))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(suite):
    call = suite.channel.unary_unary("/grpc.testing.UnimplementedService/UnimplementedCall")
    assert failure(lambda: call(b"", timeout=PATIENCE)).code() is grpc.StatusCode.UNIMPLEMENTED


def test_custom_metadata(suite):
    answer, call = suite.UnaryCall.with_call(simple(), timeout=PATIENCE, metadata=(INITIAL, TRAILING))
    assert len(answer.payload.body) == 314159
    assert INITIAL in [tuple(pair) for pair in call.initial_metadata()]
    assert TRAILING in [tuple(pair) for pair in call.trailing_metadata()]


def test_custom_metadata_of_a_full_duplex_call(suite):
    duplex = Duplex(suite, metadata=(INITIAL, TRAILING))
    duplex.send(output([31415], 27182))
    assert len(next(duplex.call).payload.body) == 31415
    duplex.end()
    assert list(duplex.call) == []
    assert INITIAL in [tuple(pair) for pair in duplex.call.initial_metadata()]
    assert TRAILING in [tuple(pair) for pair in duplex.call.trailing_metadata()]


def test_concurrent_large_unary(suite):
    calls = [suite.UnaryCall.future(simple(), timeout=60) for _ in range(100)]
    assert all(len(call.result().payload.body) == 314159 for call in calls)

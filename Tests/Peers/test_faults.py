"""Every way a worker can misbehave, one by one: what its own caller hears, and that nobody else does.

The kinds of fault are those that the program's rules are written for; each is made by a worker whose frames the test
chooses. `relayed` asks a worker directly and through the program: what grpcio makes of it must be the same.
"""

import contextlib
import socket
import threading
import time

import grpc
import pytest

from client import COLLECT, PREDICT, PREDICT_STREAM, Client, prompt
from fleet import Homing
from frames import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS
from frames import frame as http2_frame
from processes import wait_until
from raw import frame
from raw_worker import HEAD, OK, RawWorker
from stubs import make, pb

Code = grpc.StatusCode
REPLY = frame(make(pb.Reply, message="said").SerializeToString())


@contextlib.contextmanager
def program(*addresses: str, arguments=()):
    """The program before these addresses on one thread, in turn, and quiet at the end."""
    homing = Homing([*addresses], "--threads", "1", "--policy", "round_robin", *arguments)
    try:
        homing.started()
        wait_until(
            lambda: "unknown" not in {row["state"] for row in homing.replicas().values()}, "every worker was probed"
        )
        yield homing
        for name in ("homing_replica_in_flight", "homing_buffered_bytes", "homing_streams_active"):
            wait_until(lambda: homing.metrics().sum(name) == 0, f"{name} is zero again")
    finally:
        assert homing.terminate() == 0, homing.tail()


@contextlib.contextmanager
def reached(way: str, worker: RawWorker):
    """A caller of the worker, directly or through the program."""
    with contextlib.ExitStack() as stack:
        address = worker.address if way == "direct" else stack.enter_context(program(worker.address)).address
        yield stack.enter_context(Client(address))


def answers(connection, stream, count: int):
    """Headers and `count` messages."""
    connection.h2.send_headers(stream, HEAD)
    for _ in range(count):
        connection.h2.send_data(stream, REPLY)


def trailers_only(code: int, text: str):
    def act(connection, stream):
        connection.h2.send_headers(
            stream, [*HEAD, ("grpc-status", str(code)), ("grpc-message", text)], end_stream=True
        )
        connection.open.discard(stream)

    return act


def later(seconds: float, act):
    """`act` from another thread, after a pause."""

    def start(connection, stream):
        threading.Timer(seconds, lambda: connection.now(lambda: act(connection, stream))).start()

    return start


# MARK: - refuseConnect, busyHealth: what probes find


def test_refuse_connect_costs_no_call():
    with socket.socket() as held, RawWorker() as healthy:
        held.bind(("127.0.0.1", 0))  # Bound and never listening: the port is nobody else's, and refuses.
        refusing = "127.0.0.1:%d" % held.getsockname()[1]
        with program(refusing, healthy.address) as homing, Client(homing.address) as client:
            assert all(client.predict(f"{n}").ok for n in range(10))
            assert homing.replicas()[refusing]["state"] == "unreachable"


def test_busy_health_keeps_a_worker_in_use(tmp_path):
    """Workers answer Health behind a running Predict: silence there is work, not death."""
    with RawWorker() as busy:
        busy.answers_health = False
        path = tmp_path / "homing.yaml"
        path.write_text(
            "listeners: [127.0.0.1:0]\nclusters: [{name: a, probe: {deadline_ms: 50, interval_ms: 50, retry_ms: 50}, "
            f"replicas: ['{busy.address}']}}]\n"
        )
        homing = Homing([], "-c", str(path), "--threads", "1").started()
        try:
            timeouts = lambda: homing.metrics().sum("homing_probes_total", outcome="busy")
            wait_until(lambda: timeouts() >= 5, "five probes were not answered in time")
            with Client(homing.address) as client:
                assert all(client.predict(f"{n}").ok for n in range(5))
            assert homing.replicas()[busy.address]["state"] != "unreachable"
            assert homing.metrics().sum("homing_evictions_total") == 0
        finally:
            assert homing.terminate() == 0, homing.tail()


# MARK: - slowHeaders, stallAfter: time


def test_slow_headers_are_waited_for(way):
    slow = later(0.4, lambda connection, stream: connection.answer(stream))
    with RawWorker(on_end=slow) as worker, reached(way, worker) as client:
        assert client.predict("x").ok


def test_slow_headers_past_the_deadline_end_the_call_on_both_sides(way):
    with RawWorker(on_end=lambda *_: None) as worker, reached(way, worker) as client:
        assert client.predict("x", timeout=0.3).code is Code.DEADLINE_EXCEEDED
        wait_until(lambda: worker.busiest().resets, "the worker's slot is free")
        assert set(worker.busiest().resets.values()) == {8}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_stall_after_some_messages_keeps_what_came(way, count):
    with RawWorker(on_end=lambda connection, stream: answers(connection, stream, count)) as worker:
        with reached(way, worker) as client:
            outcome = client.call(PREDICT_STREAM, prompt("x"), timeout=0.5)
            assert outcome.code is Code.DEADLINE_EXCEEDED and len(outcome.replies) == count
            wait_until(lambda: worker.busiest().resets, "the worker's slot is free")


# MARK: - resetAfter, closeSocket, goAwayMidStream: ends


def resets(count: int, code: int):
    def act(connection, stream):
        if count:
            answers(connection, stream, count)
        connection.h2.reset_stream(stream, code)
        connection.open.discard(stream)

    return act


#: What gRPC makes of an error code of HTTP/2; UNAVAILABLE would make LocalAI unload the model, so it is ABORTED there.
MEANINGS = {
    1: Code.INTERNAL,
    2: Code.INTERNAL,
    3: Code.INTERNAL,
    7: Code.ABORTED,
    8: Code.CANCELLED,
    11: Code.RESOURCE_EXHAUSTED,
    12: Code.PERMISSION_DENIED,
}


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("code", MEANINGS)
def test_reset_after_some_messages_keeps_them_and_its_meaning(code, count):
    with RawWorker(on_end=resets(count, code)) as worker, program(worker.address) as homing:
        with Client(homing.address) as client:
            outcome = client.call(PREDICT_STREAM, prompt("x"))
            assert outcome.code is MEANINGS[code], f"{outcome.code.name}: {outcome.details}"
            assert len(outcome.replies) == count
        assert not worker.violations


@pytest.mark.parametrize("code", MEANINGS)
def test_only_a_refused_stream_is_served_elsewhere(code):
    with RawWorker(on_end=resets(0, code)) as faulty, RawWorker() as healthy:
        with program(faulty.address, healthy.address) as homing, Client(homing.address) as client:
            outcomes = [client.predict(f"{n}").code for n in range(10)]
            assert (set(outcomes) == {Code.OK}) == (code == 7), outcomes
            assert faulty.calls > 0


@pytest.mark.parametrize("count", [0, 2])
def test_close_socket_before_an_answer_costs_nothing_and_after_it_one_call(count):
    def closes(connection, stream):
        if count:
            answers(connection, stream, count)
            connection.flush()
        connection.socket.shutdown(socket.SHUT_RDWR)

    with RawWorker(on_end=closes) as faulty, RawWorker() as healthy:
        with program(faulty.address, healthy.address) as homing, Client(homing.address) as client:
            outcomes = [client.call(PREDICT_STREAM, prompt(f"{n}")) for n in range(10)]
            assert faulty.calls > 0
            for outcome in outcomes:
                if outcome.ok:
                    continue
                assert count and outcome.code is Code.ABORTED and len(outcome.replies) == count, outcome
            if count:
                assert not all(outcome.ok for outcome in outcomes), "a call that was being answered cannot be repeated"


def test_go_away_mid_stream_lets_the_stream_finish(way):
    seen = []

    def leaves(connection, stream):
        answers(connection, stream, 1)
        # Nor would it go on after its own.
        last = max(connection.paths).to_bytes(4, "big")
        connection.flush()
        connection.socket.sendall(http2_frame(GOAWAY, 0, 0, last + bytes(4)))
        seen.append(connection)
        threading.Timer(0.2, lambda: connection.now(lambda: finish(connection, stream))).start()

    def finish(connection, stream):
        # The program said GOAWAY in turn, after which h2 sends nothing any more.
        trailers = connection.h2.encoder.encode(OK)
        connection.socket.sendall(
            http2_frame(DATA, 0, stream, REPLY) + http2_frame(HEADERS, END_STREAM | END_HEADERS, stream, trailers)
        )
        connection.open.discard(stream)

    with RawWorker(on_end=leaves) as worker, reached(way, worker) as client:
        for number in range(3):
            outcome = client.call(PREDICT_STREAM, prompt(f"{number}"))
            assert outcome.ok and len(outcome.replies) == 2, f"{outcome.code.name}: {outcome.details}"
        assert len(set(map(id, seen))) == 3, "each call after a GOAWAY finds another connection"


def test_a_worker_that_shuts_down_gives_its_calls_to_others():
    """GOAWAY, then UNAVAILABLE for the call that it took: what grpcio's servers say when their grace period ends."""

    def leaves(connection, stream):
        last = stream.to_bytes(4, "big")
        connection.flush()
        trailers = connection.h2.encoder.encode([*HEAD, ("grpc-status", "14"), ("grpc-message", "shutting down")])
        connection.socket.sendall(
            http2_frame(GOAWAY, 0, 0, last + bytes(4))
            + http2_frame(HEADERS, END_STREAM | END_HEADERS, stream, trailers)
        )
        connection.open.discard(stream)

    with RawWorker(on_end=leaves) as leaving, RawWorker() as staying, program(leaving.address, staying.address) as homing:
        with Client(homing.address) as client:
            for number in range(6):
                outcome = client.call(PREDICT, prompt(f"{number}"))
                assert outcome.ok, f"{outcome.code.name}: {outcome.details}"
        retries = homing.metrics().sum("homing_retries_total", cause="replica_leaving")
        assert retries == leaving.calls > 0, "each call that it gave up was made elsewhere, once"


# MARK: - neverReads


def test_a_worker_that_never_reads_holds_back_its_caller_only():
    """The caller's upload stops at the windows; nothing is collected in between, and it may still leave."""
    with RawWorker() as worker:
        worker.reads = False
        with program(worker.address) as homing, Client(homing.address) as client:
            stopped = threading.Event()

            def pieces():
                for _ in range(200):
                    if stopped.is_set():
                        return
                    yield b"x" * 1_000_000

            call = client.start(COLLECT, pieces(), timeout=None)
            buffered = lambda: homing.metrics().sum("homing_buffered_bytes")
            wait_until(lambda: buffered() > 0, "the upload has come to a stop")
            time.sleep(0.5)
            assert buffered() < 8_000_000, "what is kept for a retry, and the windows"
            call.cancel()
            stopped.set()
            wait_until(lambda: buffered() == 0, "nothing is kept for a caller that left")
            wait_until(lambda: worker.busiest().resets, "the worker hears of it")


# MARK: - wrongModel, notLoaded, badFraming, noStatus: answers


@pytest.mark.parametrize(
    "code, text",
    [(5, "model identity mismatch: this worker holds other"), (9, "Model not loaded")],
    ids=["wrong_model", "not_loaded"],
)
def test_what_a_worker_says_of_its_model_reaches_the_caller(way, code, text):
    with RawWorker(on_end=trailers_only(code, text)) as worker, reached(way, worker) as client:
        outcome = client.predict("x")
        assert outcome.code.value[0] == code and outcome.details == text
        assert client.predict("y").code.value[0] == code, "and again: the worker is not blamed for it"


BAD = {
    "a flag that does not exist": b"\x07" + REPLY[1:],
    "a message that is cut short": REPLY[:-2],
    "a length without its message": b"\x00\x00\x00\x10\x00",
    "half of a prefix": b"\x00\x00",
    "a message that is no protobuf": frame(b"\xff\xff\xff"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_framing_is_no_message_and_hurts_its_own_call_only(way, name):
    bodies = [BAD[name]]

    def act(connection, stream):
        connection.answer(stream, bodies[0])

    with RawWorker(on_end=act) as worker, reached(way, worker) as client:
        outcome = client.call(PREDICT, prompt("x"))
        # grpcio believes the status of such an answer and gives its caller no message.
        assert not outcome.ok or outcome.replies == [None], outcome
        bodies[0] = REPLY
        assert client.predict("y").ok


@pytest.mark.parametrize("says", ["headers and a message", "headers alone"])
def test_no_status_is_no_success(way, says):
    def act(connection, stream):
        connection.h2.send_headers(stream, HEAD, end_stream=says == "headers alone")
        if says != "headers alone":
            connection.h2.send_data(stream, REPLY, end_stream=True)
        connection.open.discard(stream)

    with RawWorker(on_end=act) as worker, reached(way, worker) as client:
        outcome = client.predict("x")
        assert outcome.code in (Code.UNKNOWN, Code.INTERNAL, Code.UNAVAILABLE), f"{outcome.code}: {outcome.details}"


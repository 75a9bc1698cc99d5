"""Every way a stream can end, from the workers' side: early answers, GOAWAY, refused streams, changed SETTINGS, silence."""

import contextlib
import signal
import threading

import grpc
import h2.settings
import pytest

from client import BIDI, COLLECT, ECHO, PREDICT, PREDICT_STREAM, Client, Conversation, prompt, script
from fleet import Homing, launch
from frames import DATA, END_STREAM, HEADERS, MESSAGE, USUAL, Peer, frame
from processes import wait_until
from raw_worker import HEAD, OK, RawWorker

REFUSED_STREAM = 7
Codes = h2.settings.SettingCodes


@contextlib.contextmanager
def program(*workers: RawWorker, arguments=(), named=True):
    """The program before hand-made workers, on one thread, so that each has one connection of it besides the prober's."""
    addresses = [worker.address for worker in workers] if named else []
    homing = Homing(addresses, "--threads", "1", "--policy", "round_robin", *arguments)
    try:
        homing.started()
        states = lambda: {row["state"] for row in homing.replicas().values()}
        wait_until(lambda: states() == {"available"}, "every worker is available")
        yield homing
        wait_until(lambda: homing.metrics().sum("homing_replica_in_flight") == 0, "in-flight is zero again")
        wait_until(lambda: homing.metrics().sum("homing_buffered_bytes") == 0, "nothing is buffered")
        for worker in workers:
            assert not worker.violations, worker.violations
    finally:
        assert homing.terminate() == 0, homing.tail()


@pytest.fixture
def config(tmp_path):
    """Writes a configuration file and returns the flags that name it."""

    def write(text: str) -> list[str]:
        path = tmp_path / "homing.yaml"
        path.write_text("listeners: [127.0.0.1:0]\n" + text)
        return ["-c", str(path)]

    return write


# MARK: - Early answers


def test_a_worker_that_answers_early_and_resets_with_no_error_has_answered():
    """RFC 9113 §8.1; the caller is told in the same way that it may stop."""

    def answer(connection, stream):
        connection.h2.send_headers(stream, HEAD)
        connection.h2.send_headers(stream, OK, end_stream=True)
        connection.h2.reset_stream(stream, 0)

    with RawWorker(on_request=answer) as worker, program(worker) as homing, Peer(homing.address) as peer:
        peer.send(peer.request(1) + frame(DATA, 0, 1, MESSAGE + b"\x00\x00"))
        peer.wait(lambda: peer.reset(1) is not None, "the stream is reset")
        assert peer.reset(1).code == "NO_ERROR" and peer.field(1, "grpc-status") == "0"
        assert worker.calls == 1


def test_a_caller_on_grpcio_takes_an_early_answer_as_it_is():
    def answer(connection, stream):
        connection.h2.send_headers(stream, HEAD)
        connection.h2.send_headers(stream, [("grpc-status", "9"), ("grpc-message", "enough")], end_stream=True)
        connection.h2.reset_stream(stream, 0)

    with RawWorker(on_request=answer) as worker, program(worker) as homing, Client(homing.address) as client:
        for _ in range(20):
            answer = client.call(COLLECT, (b"x" * 100_000 for _ in range(50)))
            assert (answer.code, answer.details) == (grpc.StatusCode.FAILED_PRECONDITION, "enough")


# MARK: - Refused elsewhere


def test_a_refused_stream_is_served_elsewhere():
    def refuse(connection, stream):
        connection.h2.reset_stream(stream, REFUSED_STREAM)
        connection.open.discard(stream)

    with RawWorker(on_request=refuse) as bad, RawWorker() as good, program(bad, good) as homing:
        with Client(homing.address) as client:
            for number in range(40):
                assert client.predict(f"{number}").ok
        assert good.calls == 40 and bad.calls > 0
        assert homing.metrics().sum("homing_retries_total", cause="stream_refused") == bad.calls


def test_streams_above_a_goaway_are_served_elsewhere_and_those_below_finish():
    """The worker takes the first of five calls and leaves the others out."""
    held = []

    def hold(connection, stream):
        held.append((connection, stream))

    with RawWorker(on_end=hold) as leaving, RawWorker() as other, program(leaving, other) as homing:
        with Client(homing.address) as client:
            calls = [client.start(PREDICT, prompt(f"{number}")) for number in range(10)]
            wait_until(lambda: len(held) == 5, "half of the calls are in the first worker")
            connection = held[0][0]
            streams = sorted(stream for _, stream in held)
            assert all(found is connection for found, _ in held)
            connection.now(lambda: connection.h2.close_connection(0, last_stream_id=streams[0]))
            wait_until(lambda: other.calls == 9, "the four calls above it went elsewhere")
            # h2 will not send on a connection that it has closed, so the frames of the answer are made by hand.
            head = connection.h2.encoder.encode(HEAD)
            tail = connection.h2.encoder.encode(OK)
            connection.socket.sendall(
                frame(HEADERS, 4, streams[0], head)
                + frame(DATA, 0, streams[0], b"\x00" * 5)
                + frame(HEADERS, 4 | END_STREAM, streams[0], tail)
            )
            outcomes = [call.outcome() for call in calls]
            assert all(outcome.ok for outcome in outcomes), [outcome.details for outcome in outcomes]


def test_workers_with_a_maximum_connection_age_lose_no_call():
    """Both workers say GOAWAY on every fourth call of a connection, in two steps as gRPC servers do."""
    aged = []

    def answer(connection, stream):
        if stream >= 7 and connection not in aged:
            aged.append(connection)
            connection.h2.close_connection(0, last_stream_id=2**31 - 1)
            data = connection.h2.data_to_send()
            connection.socket.sendall(data)
            connection.h2 = AfterGoAway(connection)
        connection.answer(stream)

    with RawWorker(on_end=answer) as one, RawWorker(on_end=answer) as two, program(one, two) as homing:
        with Client(homing.address) as client:
            for number in range(200):
                outcome = client.predict(f"{number}")
                assert outcome.ok, f"call {number}: {outcome.code.name} {outcome.details}"
        assert len(aged) > 20 and one.calls + two.calls >= 200


class AfterGoAway:
    """Goes on with an h2 connection that believes it is closed because it sent the first of two GOAWAYs."""

    def __init__(self, connection):
        import h2.connection

        inner = connection.h2
        inner.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN
        self.__dict__["inner"] = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_retries_have_a_budget(config):
    """Every worker refuses everything: without a budget each call would be asked three times."""

    def refuse(connection, stream):
        connection.h2.reset_stream(stream, REFUSED_STREAM)
        connection.open.discard(stream)

    workers = [RawWorker(on_request=refuse) for _ in range(3)]
    flags = config(
        "clusters:\n  - name: c\n    connections:\n      retry_budget_share: 0.1\n      retry_budget_reserve: 5\n"
    )
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        homing = stack.enter_context(program(*workers, arguments=flags))
        with Client(homing.address) as client:
            outcomes = [client.predict(f"{number}") for number in range(100)]
        assert not any(outcome.ok for outcome in outcomes)
        asked = sum(worker.calls for worker in workers)
        # 100 first tries, 5 in reserve, and a tenth of the traffic.
        assert 100 < asked <= 100 + 5 + 10, asked
        assert homing.metrics().sum("homing_retries_refused_total") > 80


# MARK: - SETTINGS in the middle of everything


def test_a_lower_limit_of_streams_is_kept_from_then_on():
    held = []

    with RawWorker(on_end=lambda connection, stream: held.append((connection, stream))) as worker:
        with program(worker) as homing, Client(homing.address) as client:
            first = [client.start(PREDICT, prompt(f"{n}")) for n in range(6)]
            wait_until(lambda: len(held) == 6, "six calls are open")
            connection = held[0][0]
            connection.now(lambda: connection.h2.update_settings({Codes.MAX_CONCURRENT_STREAMS: 2}))
            known = connection.h2.local_settings._settings[Codes.MAX_CONCURRENT_STREAMS]
            wait_until(lambda: len(known) == 1, "the program has acknowledged it")
            more = [client.start(PREDICT, prompt(f"{n} more")) for n in range(6)]
            wait_until(lambda: len(held) == 12, "the other six find another connection")
            late = [stream for found, stream in held[6:] if found is connection]
            assert not late, "six are more than two"
            for found, stream in held:
                found.now(lambda: found.answer(stream))
            for call in first + more:
                assert call.outcome().ok


@pytest.mark.parametrize("window", [0, 1, 1_000])
def test_a_changed_initial_window_holds_and_frees_an_upload(window):
    with RawWorker() as worker, program(worker) as homing, Client(homing.address) as client:
        assert client.predict("first").ok
        for connection in worker.connections:
            connection.now(lambda: connection.h2.update_settings({Codes.INITIAL_WINDOW_SIZE: window}))
        call = client.start(ECHO, b"x" * 200_000)
        wait_until(lambda: worker.busiest().open, "the call is in the worker")
        connection = worker.busiest()
        connection.now(lambda: connection.h2.update_settings({Codes.INITIAL_WINDOW_SIZE: 1_000_000}))
        outcome = call.outcome()
        assert outcome.ok, outcome.details
        assert any(len(body) == 200_005 for c in worker.connections for body in c.bodies.values())


def test_a_connection_to_a_worker_is_never_pinged(config):
    """gRPC servers cut off a client that pings without streams more often than every five minutes. The program pings
    never: whether a worker lives it asks with Health, at the pace of its probes, which is set to one in 20 ms here."""
    with RawWorker() as worker:
        flags = config(
            f"clusters: [{{name: main, replicas: ['{worker.address}'], probe: {{interval_ms: 20, retry_ms: 20}}}}]\n"
        )
        with program(worker, arguments=flags, named=False) as homing, Client(homing.address) as client:
            for number in range(50):
                assert client.predict(f"{number}").ok
            probes = lambda: homing.metrics().sum("homing_probes_total")
            enough = probes() + 100
            wait_until(lambda: probes() >= enough, "a hundred probes pass over connections without a call", 30)
            assert sum(connection.pings for connection in worker.connections) == 0
            assert len(worker.connections) <= 2, "and the connections were kept"


# MARK: - Silence


def test_a_stream_on_which_nothing_moves_is_ended(config):
    flags = config("proxy:\n  stream_idle_timeout_ms: 400\n")
    fleet = launch(1, *flags)
    try:
        with fleet.client() as client:
            silent = client.start(PREDICT, prompt("x"), script(never=True), timeout=None)
            answering = client.start(
                PREDICT_STREAM, prompt("x"), script(messages=2, interval_s=60), timeout=None
            )
            answering.next()
            patient = client.start(PREDICT, prompt("x"), script(never=True), timeout=2)
            moving = client.start(PREDICT_STREAM, prompt("x"), script(messages=15, interval_s=0.1), timeout=None)
            for call in (silent, answering):
                outcome = call.outcome()
                assert outcome.code is grpc.StatusCode.ABORTED, f"{outcome.code.name}: {outcome.details}"
            wait_until(lambda: fleet.count(PREDICT, "cancelled") == 1, "the worker's slot is free")
            wait_until(lambda: fleet.count(PREDICT_STREAM, "cancelled") == 1, "the other slot, too")
            assert moving.outcome().ok, "slow is not silent"
            assert patient.outcome().code is grpc.StatusCode.DEADLINE_EXCEEDED, "a deadline is the caller's own limit"
            assert fleet.homing.metrics().sum("homing_defences_total", kind="stream_idle") == 2
        fleet.expect_quiet()
    finally:
        fleet.stop()


def test_an_idle_connection_of_a_caller_is_closed_in_order(config):
    fleet = launch(1, *config("proxy:\n  idle_timeout_ms: 400\n"))
    try:
        with Peer(fleet.address) as idle, Peer(fleet.address) as busy:
            never = [*USUAL, ("x-script", '{"never": true}')]
            busy.send(busy.request(1, never) + frame(DATA, END_STREAM, 1, MESSAGE))
            idle.call()
            assert idle.served(1) == "0"
            idle.expect_connection_error("NO_ERROR")
            busy.alive()
        assert fleet.homing.metrics().sum("homing_defences_total", kind="idle_timeout") == 1
        fleet.expect_quiet()
    finally:
        fleet.stop()


# MARK: - Drain


def test_a_drain_under_load_cuts_nothing():
    """Calls that begin while the program drains are served, or find no listener: none that was taken is lost.

    The callers retry in silence what they had not put on the wire when they heard of the drain, as grpcio does unless it
    is told not to.
    """
    fleet = launch(2)
    try:
        outcomes = []
        stopped = threading.Event()

        def call_on_and_on():
            with fleet.client(options=[("grpc.enable_retries", 1)]) as client:
                while not stopped.is_set():
                    outcomes.append(client.call(PREDICT_STREAM, prompt("x"), script(messages=3, interval_s=0.02)))
                    if not outcomes[-1].ok:
                        return

        threads = [threading.Thread(target=call_on_and_on) for _ in range(16)]
        for thread in threads:
            thread.start()
        with fleet.client() as client:
            long = Conversation(client, BIDI)
            assert long.ping(b"before") == b"before"
            wait_until(lambda: len(outcomes) > 100, "there is load")
            fleet.homing.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join(20)
            assert long.ping(b"during") == b"during"
            long.close_half()
            assert long.outcome().ok
        assert fleet.homing.process.wait(10) == 0
        failed = [outcome for outcome in outcomes if not outcome.ok]
        # grpcio's words for an address where nobody listens any more.
        for outcome in failed:
            assert "ailed to connect" in outcome.details, f"{outcome.code.name}: {outcome.details}"
            assert not outcome.replies
        assert len(failed) == 16
    finally:
        fleet.stop()

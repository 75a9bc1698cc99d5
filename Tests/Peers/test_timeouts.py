"""How long anybody may let the program wait: for the acknowledgement of its SETTINGS, for a TLS handshake, for the first
message of a call. Who is patient with nobody is served all the same."""

import json
import socket
import ssl
import threading

import pytest

from certificates import Authority
from client import LOAD_MODEL, PREDICT, PREDICT_STREAM, Client, Conversation, prompt, script
from fleet import Homing
from frames import DATA, END_STREAM, GOAWAY, MESSAGE, PREFACE, USUAL, Peer, frame, settings
from processes import Worker, wait_until
from raw import open_socket


def defences(fleet, kind: str) -> float:
    return fleet.homing.metrics().sum("homing_defences_total", kind=kind)


def cluster(workers, **keys) -> dict:
    addresses = [worker.address for worker in workers]
    return {"name": "main", "replicas": addresses, "probe": {"retry_ms": 50}, **keys}


def workers(count: int) -> list[Worker]:
    return [worker.started() for worker in [Worker() for _ in range(count)]]


@pytest.fixture
def strict(configured):
    """The program with limits of its own towards callers, in front of one worker."""

    def start(**limits):
        started = workers(1)
        return configured({"listeners": ["127.0.0.1:0"], "proxy": limits, "clusters": [cluster(started)]}, started)

    return start


# MARK: - The acknowledgement of our SETTINGS (RFC 9113 §6.5.3)


def test_a_caller_that_never_acknowledges_our_settings_is_sent_away(strict):
    fleet = strict(settings_timeout_ms=400)
    with Peer(fleet.address) as honest, Peer(fleet.address, handshake=False) as mute:
        mute.is_honest = False
        mute.send(PREFACE + settings())
        mute.call(1)
        mute.expect_connection_error("SETTINGS_TIMEOUT")
        assert mute.field(1, "grpc-status") == "0", "it was served meanwhile"
        assert defences(fleet, "settings_timeout") == 1
        honest.alive()
        honest.call(1)
        assert honest.served(1) == "0"


def test_an_open_stream_does_not_protect_from_the_settings_timeout(strict):
    fleet = strict(settings_timeout_ms=400)
    with Peer(fleet.address, handshake=False) as mute:
        mute.is_honest = False
        mute.send(PREFACE + settings() + mute.request(1, [*USUAL, ("x-script", '{"never": true}')]))
        mute.send(frame(DATA, END_STREAM, 1, MESSAGE))
        mute.expect_connection_error("SETTINGS_TIMEOUT")
    fleet.expect_quiet()


def test_zero_waits_for_the_acknowledgement_for_ever(strict):
    fleet = strict(settings_timeout_ms=0, handshake_timeout_ms=400)
    with Peer(fleet.address, handshake=False) as mute, open_socket(fleet.address) as silent:
        mute.is_honest = False
        mute.send(PREFACE + settings())
        while silent.recv(4_096):
            pass  # The other limit passes meanwhile, and more than once.
        with open_socket(fleet.address) as another:
            while another.recv(4_096):
                pass
        mute.call(1)
        assert mute.served(1) == "0"


class MuteWorker:
    """Takes connections, sends its SETTINGS and acknowledges nothing; keeps what it was sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.received: list[bytes] = []
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(connected)
            self.received.append(b"")
            threading.Thread(target=self.read, args=(connected, len(self.received) - 1), daemon=True).start()

    def read(self, connected: socket.socket, position: int):
        try:
            connected.sendall(settings())
            while piece := connected.recv(65_536):
                self.received[position] += piece
        except OSError:
            return

    def stop(self):
        for opened in [self.listener, *self.sockets]:
            opened.close()


def test_a_worker_that_never_acknowledges_our_settings_is_left_and_its_calls_are_served_elsewhere(tmp_path):
    mute, started = MuteWorker(), Worker().started()
    path = tmp_path / "homing.yaml"
    path.write_text(
        json.dumps(
            {
                "threads": 1,
                "listeners": ["127.0.0.1:0"],
                "clusters": [
                    {
                        "name": "main",
                        "replicas": [mute.address, started.address],
                        "routing": {"policy": "round_robin"},
                        "probe": {"interval_ms": 60_000, "retry_ms": 60_000, "deadline_ms": 50},
                        "connections": {"settings_timeout_ms": 700},
                    }
                ],
            }
        )
    )
    homing = Homing([], "-c", str(path)).started()
    evictions = lambda replica: homing.metrics().sum(
        "homing_evictions_total", cause="settings_timeout", replica=replica
    )
    try:
        with Client(homing.address) as client:
            calls = [client.start(PREDICT, prompt(f"{n}")) for n in range(4)]
            for call in calls:
                outcome = call.outcome()
                assert outcome.ok and outcome.worker == started.address, f"{outcome.code.name}: {outcome.details}"
        wait_until(lambda: evictions(mute.address) >= 1, "the connection is given up")
        goodbye = frame(GOAWAY, 0, 0, (0).to_bytes(4, "big") + (4).to_bytes(4, "big"))
        wait_until(lambda: any(goodbye in received for received in mute.received), "GOAWAY says SETTINGS_TIMEOUT")
        assert evictions(started.address) == 0
        assert homing.metrics().sum("homing_replica_in_flight") == 0
    finally:
        mute.stop()
        started.stop()
        assert homing.terminate() == 0, homing.tail()


# MARK: - TLS handshakes


@pytest.fixture
def encrypted(configured, tmp_path):
    """The program with TLS on one thread, for at most `most` connections."""

    def start(most: int, handshake_timeout_ms: int):
        identity = Authority(tmp_path, "authority").issue("server", "localhost", "127.0.0.1")
        tls = {
            "certificate_file": str(identity.certificate),
            "private_key_file": str(identity.key),
            "handshake_timeout_ms": handshake_timeout_ms,
        }
        started = workers(1)
        return configured(
            {
                "threads": 1,
                "listeners": [{"address": "127.0.0.1:0", "tls": tls}],
                "proxy": {"max_connections": most},
                "clusters": [cluster(started)],
            },
            started,
        )

    return start


def secure(fleet) -> ssl.SSLSocket:
    """A connection past its handshake, on which HTTP/2 has begun."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    connection = context.wrap_socket(open_socket(fleet.address), server_hostname="localhost")
    connection.sendall(PREFACE + settings() + settings(flags=1))
    assert connection.recv(1)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Waits for the end of a connection."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def connections(fleet) -> float:
    return fleet.homing.metrics().sum("homing_downstream_connections")


def test_connections_in_their_tls_handshake_count_and_the_oldest_goes_first(encrypted):
    fleet = encrypted(most=20, handshake_timeout_ms=60_000)
    with secure(fleet) as first:
        silent = [open_socket(fleet.address) for _ in range(19)]
        wait_until(lambda: connections(fleet) == 20, "every one of them counts")
        more = [open_socket(fleet.address) for _ in range(10)]
        assert is_closed(first), "idle for longest, and past its handshake"
        for connection in silent[:9]:
            assert is_closed(connection)
        wait_until(lambda: connections(fleet) == 20, "the limit is kept")
        assert defences(fleet, "idle_connection_closed") == 10
        with secure(fleet) as newest:
            newest.sendall(frame(6, 0, 0, b"12345678"))
            answer = b""
            while b"12345678" not in answer:
                piece = newest.recv(65_536)
                assert piece, "a new caller finds room"
                answer += piece
        for connection in silent + more:
            connection.close()
    wait_until(lambda: connections(fleet) == 0, "none is left in the books")


def test_a_caller_that_connects_to_the_tls_port_and_says_nothing_is_closed_in_time(encrypted):
    fleet = encrypted(most=100, handshake_timeout_ms=300)
    silent = [open_socket(fleet.address) for _ in range(20)]
    for connection in silent:
        assert is_closed(connection)
        connection.close()
    wait_until(lambda: defences(fleet, "slow_handshake") == 20, "each is counted")
    wait_until(lambda: connections(fleet) == 0, "none is left in the books")


def test_a_drain_does_not_wait_for_handshakes(encrypted):
    fleet = encrypted(most=100, handshake_timeout_ms=60_000)
    silent = [open_socket(fleet.address) for _ in range(5)]
    wait_until(lambda: connections(fleet) == 5, "they are there")
    assert fleet.homing.terminate(10) == 0
    assert not any("drain limit" in line for line in fleet.homing.stderr)
    for connection in silent:
        connection.close()


# MARK: - The first message


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM, LOAD_MODEL])
def test_a_call_whose_first_message_never_comes_is_answered(strict, path):
    fleet = strict(first_message_timeout_ms=400)
    fields = [*USUAL[:2], (":path", path), *USUAL[3:]]
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, fields))
        peer.send(peer.request(3, fields) + frame(DATA, 0, 3, MESSAGE[:7]))
        for stream in (1, 3):
            assert peer.served(stream) == "4", peer.story()
            assert "first message" in peer.field(stream, "grpc-message")
        peer.alive()
        peer.call(5)
        assert peer.served(5) == "0"
    assert defences(fleet, "first_message_timeout") == 2
    assert fleet.homing.metrics().sum("homing_local_replies_total", cause="first_message_timeout") == 2


def test_a_caller_that_trickles_its_first_message_is_answered_too(strict):
    fleet = strict(first_message_timeout_ms=500)
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + frame(DATA, 0, 1, b"\x00\x00\x00\x27\x10"))
        while not peer.has_ended(1):
            peer.send(frame(DATA, 0, 1, b"x"))
            peer.turn(0.05)
        assert peer.field(1, "grpc-status") == "4", peer.story()


def test_who_else_is_slow_is_not_meant_by_the_limit_of_the_first_message(strict):
    """A deadline is the caller's own limit, a pause between messages its own affair, a load takes as long as it takes."""
    fleet = strict(first_message_timeout_ms=300)
    with Peer(fleet.address) as peer, fleet.client() as client:
        slow = client.start(PREDICT, prompt("x"), script(delay_s=1.2), timeout=None)
        talk = Conversation(client, "/test.Echo/Bidi", timeout=None)
        assert talk.ping(b"a") == b"a"
        peer.send(peer.request(1, [*USUAL, ("grpc-timeout", "900m")]))
        assert peer.served(1) == "4"
        assert "first message" not in peer.field(1, "grpc-message"), "the deadline ended it, and no other limit before"
        outcome = slow.outcome()
        assert outcome.ok, f"{outcome.code.name}: {outcome.details}"
        assert talk.ping(b"b") == b"b"
        talk.close_half()
        assert talk.outcome().ok
    assert defences(fleet, "first_message_timeout") == 0

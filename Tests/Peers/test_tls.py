"""TLS on either leg: who gets through, who does not, and that nobody else notices."""

import contextlib
import pathlib
import signal
import socket
import ssl
import subprocess
import threading

import grpc
import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from certificates import Authority, Identity
from client import BIDI, ECHO, HEALTH, PREDICT_STREAM, Client, Conversation, prompt, script
from fleet import Fleet
from processes import Process, Worker, program, wait_until
from raw import exchange, frame, open_socket
from stubs import pb

LOCAL = ("localhost", "127.0.0.1", "::1")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "authority")


@pytest.fixture
def stranger(tmp_path):
    """An authority that nobody was told of."""
    return Authority(tmp_path, "stranger")


def files(identity: Identity) -> dict:
    return {"certificate_file": str(identity.certificate), "private_key_file": str(identity.key)}


def credentials(authority: Authority, identity: Identity | None = None) -> grpc.ChannelCredentials:
    own = (identity.key.read_bytes(), identity.certificate.read_bytes()) if identity else (None, None)
    return grpc.ssl_channel_credentials(authority.file.read_bytes(), *own)


def cluster(workers: list[Worker], **keys) -> dict:
    return {
        "name": "main",
        "replicas": [worker.address for worker in workers],
        "probe": {"retry_ms": 50},
        **keys,
    }


def listening(tls: dict | None = None, **keys) -> dict:
    return {"address": "127.0.0.1:0", **({"tls": tls} if tls else {}), **keys}


def started(count: int, *arguments: str) -> list[Worker]:
    return [worker.started() for worker in [Worker(*arguments) for _ in range(count)]]


@pytest.fixture
def served(configured, authority):
    """The program with TLS towards callers, in front of two workers in cleartext, and a second listener without."""

    def start(**tls) -> Fleet:
        workers = started(2)
        identity = authority.issue("server", *LOCAL)
        listeners = [listening(files(identity) | tls), listening()]
        return configured({"listeners": listeners, "clusters": [cluster(workers)]}, workers)

    return start


def failures(fleet: Fleet, *reasons: str) -> float:
    metrics = fleet.homing.metrics()
    return sum(metrics.sum("homing_tls_handshake_failures_total", reason=reason) for reason in reasons)


def expect_refused(client: Client, fleet: Fleet, *reasons: str):
    """The caller's call fails, the failure is counted by its reason, and a call in cleartext goes on meanwhile."""
    before = failures(fleet, *reasons)
    with Client(fleet.homing.addresses[1]) as bystander:
        conversation = Conversation(bystander, BIDI)
        assert conversation.ping(b"before") == b"before"
        with client:
            answer = client.predict("x", timeout=5)
            assert answer.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), answer
        wait_until(lambda: failures(fleet, *reasons) > before, f"a failure for {reasons} is counted")
        assert conversation.ping(b"after") == b"after"
        conversation.close_half()
        assert conversation.outcome().ok


# MARK: - Callers


def test_a_caller_speaks_tls_and_everything_works(served, authority):
    fleet = served()
    with Client(fleet.address, credentials=credentials(authority)) as client:
        assert client.predict("x").ok
        assert client.call(HEALTH, pb.HealthMessage()).reply.message == b"OK"
        assert len(client.call(PREDICT_STREAM, prompt("x"), script(messages=50)).replies) == 50
        echo = client.call(ECHO, bytes(5_000_000))
        assert echo.ok and echo.reply == bytes(5_000_000)
        conversation = Conversation(client, BIDI)
        for number in range(20):
            assert conversation.ping(b"%d" % number) == b"%d" % number
        conversation.close_half()
        assert conversation.outcome().ok
    with Client(fleet.homing.addresses[1]) as cleartext:
        assert cleartext.predict("x").ok


def test_a_slow_reader_over_tls_gets_everything(served, authority):
    """More than the socket takes, so that writes wait for the peer inside the TLS library, too."""
    fleet = served()
    with Client(fleet.address, credentials=credentials(authority)) as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=100, reply_bytes=200_000))
        assert len(call.next().message) == 200_000
        assert client.predict("meanwhile").ok
        rest = call.outcome()
        assert rest.ok and len(rest.replies) == 99


def memory(fleet: Fleet) -> int:
    """Resident bytes of the program."""
    for line in pathlib.Path(f"/proc/{fleet.homing.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_callers_that_never_read_cost_no_more_than_windows(served, authority):
    """Bytes wait at the worker, and not in the TLS library, when a caller does not take them off its socket."""
    fleet = served()
    with contextlib.ExitStack() as open_connections:
        before = memory(fleet)
        for _ in range(10):
            connection = open_connections.enter_context(handshake(fleet.address, authority, "h2"))
            session = h2.connection.H2Connection()
            session.initiate_connection()
            # All the room that HTTP/2 can give, so that only the socket holds the program back.
            session.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
            session.increment_flow_control_window(2**31 - 1 - 65_535)
            usual = [(":method", "POST"), (":scheme", "https"), (":path", PREDICT_STREAM), (":authority", "test")]
            grpc_headers = [("content-type", "application/grpc"), ("te", "trailers")]
            session.send_headers(1, usual + grpc_headers + script(messages=100, reply_bytes=1_000_000))
            session.send_data(1, frame(prompt("x").SerializeToString()), end_stream=True)
            connection.sendall(session.data_to_send())
        with Client(fleet.address, credentials=credentials(authority)) as client:
            for _ in range(100):
                assert client.predict("x").ok
        # 1 GB was asked for.
        assert memory(fleet) - before < 100_000_000


def test_a_caller_that_trusts_another_authority_does_not_get_through(served, stranger):
    fleet = served()
    client = Client(fleet.address, credentials=credentials(stranger))
    # grpcio hangs up without saying why; others say it.
    expect_refused(client, fleet, "closed", "certificate")
    before = failures(fleet, "certificate")
    for number, newest in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(fleet.address, stranger, "h2", newest=newest)
        wait_until(lambda: failures(fleet, "certificate") > before + number, "the caller's alert is counted as what it is")


def test_a_caller_sees_that_our_certificate_has_expired(configured, authority):
    workers = started(1)
    identity = authority.issue("old", *LOCAL, is_expired=True)
    listeners = [listening(files(identity)), listening()]
    fleet = configured({"listeners": listeners, "clusters": [cluster(workers)]}, workers)
    expect_refused(Client(fleet.address, credentials=credentials(authority)), fleet, "closed", "certificate")


def test_cleartext_to_the_tls_port_is_refused(served):
    fleet = served()
    expect_refused(Client(fleet.address), fleet, "not_tls")


def test_tls_to_the_cleartext_port_is_refused(served, authority):
    fleet = served()
    with Client(fleet.address, credentials=credentials(authority)) as bystander:
        conversation = Conversation(bystander, BIDI)
        assert conversation.ping(b"before") == b"before"
        before = fleet.homing.metrics().sum("homing_not_http2_total")
        with Client(fleet.homing.addresses[1], credentials=credentials(authority)) as client:
            assert client.predict("x", timeout=5).code is grpc.StatusCode.UNAVAILABLE
        assert fleet.homing.metrics().sum("homing_not_http2_total") > before
        assert conversation.ping(b"after") == b"after"
        conversation.close_half()
        assert conversation.outcome().ok


def handshake(
    address: str, authority: Authority, *protocols: str, newest=ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> ssl.SSLSocket:
    """A TLS connection by Python's own library, past its handshake."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.maximum_version = newest
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(open_socket(address), server_hostname="localhost")


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("spdy/3", "h2c")], ids=lambda value: "+".join(value) or "none")
def test_a_caller_that_does_not_agree_to_h2_is_refused(served, authority, protocols):
    fleet = served()
    before = failures(fleet, "no_h2")
    with handshake(fleet.address, authority, *protocols) as connection:
        assert connection.selected_alpn_protocol() is None
        assert connection.recv(1_000) == b"", "the connection is closed without a word"
    wait_until(lambda: failures(fleet, "no_h2") == before + 1, "it is counted")
    with handshake(fleet.address, authority, "http/1.1", "h2") as connection:
        assert connection.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda value: value.name)
def test_tls_1_2_and_1_3_are_spoken(served, authority, version):
    fleet = served()
    context = ssl.create_default_context(cafile=str(authority.file))
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with open_socket(fleet.address) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.version() == version.name.replace("_", ".")
            # HTTP/2 forbids everything older than AEAD ciphers.
            assert any(name in connection.cipher()[0] for name in ("GCM", "CHACHA20"))


def test_an_older_tls_is_refused_when_1_3_is_asked_for(served, authority):
    fleet = served(minimum_version="1.3")
    context = ssl.create_default_context(cafile=str(authority.file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    with open_socket(fleet.address) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="localhost")
    wait_until(lambda: failures(fleet, "handshake") == 1, "it is counted")
    with Client(fleet.address, credentials=credentials(authority)) as client:
        assert client.predict("x").ok


def test_garbage_and_half_handshakes_harm_nobody(served, authority):
    fleet = served()
    with Client(fleet.address, credentials=credentials(authority)) as client:
        conversation = Conversation(client, BIDI)
        assert conversation.ping(b"before") == b"before"
        for garbage in (b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x01" * 200):
            # A TLS alert, and then the end.
            assert exchange(fleet.address, garbage)[:1] in (b"", b"\x15")
        silent = [open_socket(fleet.address) for _ in range(50)]
        assert conversation.ping(b"between") == b"between"
        for connection in silent:
            connection.close()
        wait_until(lambda: failures(fleet, "closed") >= 50, "those that said nothing are counted")
        conversation.close_half()
        assert conversation.outcome().ok


def test_a_caller_that_never_finishes_its_handshake_is_sent_away(served, authority):
    fleet = served(handshake_timeout_ms=200)
    with open_socket(fleet.address) as silent, Client(fleet.address, credentials=credentials(authority)) as client:
        assert silent.recv(100) == b""
        assert failures(fleet, "timeout") == 1
        assert client.predict("x").ok


def test_sigterm_drains_tls_connections_too(served, authority):
    fleet = served()
    with (
        Client(fleet.address, credentials=credentials(authority)) as client,
        Client(fleet.address, credentials=credentials(authority)) as idle,
        open_socket(fleet.address),
    ):
        assert idle.predict("x").ok
        conversation = Conversation(client, BIDI)
        assert conversation.ping(b"before") == b"before"
        fleet.homing.process.send_signal(signal.SIGTERM)
        wait_until(lambda: any("draining" in line for line in fleet.homing.stderr), "it drains")
        assert conversation.ping(b"after") == b"after"
        conversation.close_half()
        assert conversation.outcome().ok
        assert fleet.homing.process.wait(10) == 0


def test_flags_alone_make_tls(own_fleet, authority):
    identity = authority.issue("server", *LOCAL)
    fleet = own_fleet(1, "--tls-certificate", str(identity.certificate), "--tls-key", str(identity.key))
    with Client(fleet.address, credentials=credentials(authority)) as client:
        assert client.predict("x").ok


def test_homing_predict_speaks_tls_and_brings_a_token(configured, authority, tmp_path):
    (tmp_path / "token").write_text("a-token\n")
    workers = started(1)
    identity = authority.issue("server", "the-server.internal")
    tls = files(identity) | {"client_ca_file": str(authority.file)}
    auth = {"tokens": [{"token_file": str(tmp_path / "token")}]}
    fleet = configured({"listeners": [listening(tls, auth=auth)], "clusters": [cluster(workers)]}, workers)
    own = authority.issue("caller")

    def predict(*arguments) -> subprocess.CompletedProcess:
        command = [program(), "predict", "--address", fleet.address, *map(str, arguments), "hello"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    known = ["--tls-ca", authority.file, "--tls-server-name", "the-server.internal"]
    proof = ["--tls-certificate", own.certificate, "--tls-key", own.key, "--token-file", tmp_path / "token"]
    done = predict(*known, *proof)
    assert done.returncode == 0 and workers[0].address in done.stdout + done.stderr, done
    done = predict(*known, *proof[:4])
    assert done.returncode == 1 and "missing authorization header" in done.stderr, done
    done = predict("--tls-ca", authority.file, *proof)
    assert done.returncode == 69 and "certificate" in done.stderr, done
    done = predict("--tls-ca", tmp_path / "none", *proof)
    assert done.returncode == 64 and str(tmp_path / "none") in done.stderr, done


# MARK: - Callers with certificates


def test_a_caller_with_a_certificate_of_the_right_authority_gets_through(served, authority, stranger):
    fleet = served(client_ca_file=str(authority.file))
    own = authority.issue("caller")
    with Client(fleet.address, credentials=credentials(authority, own)) as client:
        assert client.predict("x").ok
    nobody = Client(fleet.address, credentials=credentials(authority))
    expect_refused(nobody, fleet, "certificate")
    wrong = Client(fleet.address, credentials=credentials(authority, stranger.issue("impostor")))
    expect_refused(wrong, fleet, "certificate")
    late = Client(fleet.address, credentials=credentials(authority, authority.issue("late", is_expired=True)))
    expect_refused(late, fleet, "certificate")


def test_a_callers_certificate_may_be_left_out_when_it_is_not_required(served, authority, stranger):
    fleet = served(client_ca_file=str(authority.file), require_client_certificate=False)
    with Client(fleet.address, credentials=credentials(authority)) as client:
        assert client.predict("x").ok
    wrong = Client(fleet.address, credentials=credentials(authority, stranger.issue("impostor")))
    expect_refused(wrong, fleet, "certificate")


# MARK: - Replicas


def upstream(configured, workers: list[Worker], awaits_probes: bool = True, **tls) -> Fleet:
    configuration = {"listeners": [listening()], "clusters": [cluster(workers, tls=tls)]}
    return configured(configuration, workers, awaits_probes)


def expect_unreachable(fleet: Fleet, cause: str):
    """No replica gets a call: every one of them is out, and the cause is counted and logged."""
    wait_until(
        lambda: all(row["state"] == "unreachable" for row in fleet.homing.replicas().values()), "replicas are out"
    )
    assert fleet.homing.metrics().sum("homing_evictions_total", cause=cause) > 0, fleet.homing.tail()
    with fleet.client() as client:
        assert client.predict("x").code is grpc.StatusCode.UNAVAILABLE
    assert all(worker.count("/backend.Backend/Predict") == 0 for worker in fleet.workers)


def tls_workers(identity: Identity, count: int = 2, *arguments: str) -> list[Worker]:
    return started(count, "--tls", str(identity.certificate), str(identity.key), *arguments)


def test_replicas_speak_tls_and_everything_works(configured, authority):
    workers = tls_workers(authority.issue("worker", *LOCAL))
    fleet = upstream(configured, workers, ca_file=str(authority.file))
    with fleet.client() as client:
        assert {client.predict(f"{number}" * 600).worker for number in range(8)} <= {w.address for w in workers}
        echo = client.call(ECHO, bytes(5_000_000))
        assert echo.ok and echo.reply == bytes(5_000_000)
        conversation = Conversation(client, BIDI)
        for number in range(20):
            assert conversation.ping(b"%d" % number) == b"%d" % number
        conversation.close_half()
        assert conversation.outcome().ok


def test_both_legs_prove_themselves_with_certificates(configured, authority):
    identity = authority.issue("worker", "worker.internal")
    workers = tls_workers(identity, 2, "--client-ca", str(authority.file))
    ours = authority.issue("homing", *LOCAL)
    tls = files(ours) | {"ca_file": str(authority.file), "server_name": "worker.internal"}
    fleet = configured(
        {
            "listeners": [listening(files(ours) | {"client_ca_file": str(authority.file)})],
            "clusters": [cluster(workers, tls=tls)],
        },
        workers,
    )
    with Client(fleet.address, credentials=credentials(authority, authority.issue("caller"))) as client:
        assert client.predict("x").ok
        assert client.call(PREDICT_STREAM, prompt("x"), script(messages=20)).ok


def test_a_replica_of_another_authority_gets_no_calls(configured, authority, stranger):
    workers = tls_workers(stranger.issue("worker", *LOCAL), 1)
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file))
    expect_unreachable(fleet, "tls_certificate")


def test_a_replica_with_an_expired_certificate_gets_no_calls(configured, authority):
    workers = tls_workers(authority.issue("worker", *LOCAL, is_expired=True), 1)
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file))
    expect_unreachable(fleet, "tls_certificate")


def test_a_replica_that_does_not_accept_our_certificate_gets_no_calls(configured, authority):
    """In TLS 1.3 the client's side of the handshake is over before the server looks at the client's certificate."""
    workers = tls_workers(authority.issue("worker", *LOCAL), 1, "--client-ca", str(authority.file))
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file))
    expect_unreachable(fleet, "connection_lost")


def test_a_replica_of_another_name_gets_no_calls_unless_only_the_chain_counts(configured, authority):
    workers = tls_workers(authority.issue("worker", "elsewhere.internal"), 1)
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file))
    expect_unreachable(fleet, "tls_certificate")
    fleet.homing.terminate()
    again = upstream(configured, workers, ca_file=str(authority.file), verify="chain")
    with again.client() as client:
        assert client.predict("x").ok


def test_without_verification_anybody_is_a_replica(configured, stranger):
    workers = tls_workers(stranger.issue("worker", "elsewhere.internal", is_expired=True), 1)
    fleet = upstream(configured, workers, verify="none")
    with fleet.client() as client:
        assert client.predict("x").ok


def test_a_replica_in_cleartext_gets_no_calls_over_tls(configured, authority):
    workers = started(1)
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file))
    expect_unreachable(fleet, "tls_not_tls")


class TLSServer:
    """A TLS server on a thread, for what grpcio would not do: `serve` gets each connection, past its handshake."""

    def __init__(self, identity: Identity, serve, *protocols: str):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.certificate, identity.key)
        if protocols:
            self.context.set_alpn_protocols(list(protocols))
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket):
        try:
            with connection, self.context.wrap_socket(connection, server_side=True) as secure:
                self.serve(secure)
        except OSError:
            pass  # The program went away, as it should.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def in_front_of(configured, address: str, **tls) -> Fleet:
    """The program before a replica that is no worker process."""
    replicas = {"replicas": [address], "probe": {"retry_ms": 50}, "connections": {"connect_timeout_ms": 300}}
    configuration = {"listeners": [listening()], "clusters": [{"name": "main", "tls": tls, **replicas}]}
    return configured(configuration, [], awaits_probes=False)


def test_a_replica_without_h2_gets_no_calls(configured, authority):
    with TLSServer(authority.issue("worker", *LOCAL), lambda connection: connection.recv(1)) as server:
        fleet = in_front_of(configured, server.address, ca_file=str(authority.file))
        evictions = lambda: fleet.homing.metrics().sum("homing_evictions_total", cause="tls_no_h2")
        wait_until(lambda: evictions() > 2, "it is counted")
        with fleet.client() as client:
            assert client.predict("x").code is grpc.StatusCode.UNAVAILABLE
        assert fleet.homing.terminate() == 0


def test_a_replica_that_never_answers_the_handshake_is_given_up(configured, authority):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fleet = in_front_of(configured, "127.0.0.1:%d" % silent.getsockname()[1], ca_file=str(authority.file))
        evictions = lambda: fleet.homing.metrics().sum("homing_evictions_total", cause="tls_timeout")
        wait_until(lambda: evictions() > 0, "it is counted")
        assert fleet.homing.terminate() == 0


def test_requests_over_tls_say_https_and_our_own_the_certificates_name(configured, authority):
    """A caller in cleartext says `:scheme http`; what goes on over TLS does not."""
    seen: list[dict] = []

    def serve(connection: ssl.SSLSocket):
        session = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        session.initiate_connection()
        connection.sendall(session.data_to_send())
        while data := connection.recv(65_536):
            for event in session.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    seen.append(dict(event.headers))
                    answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "12")]
                    session.send_headers(event.stream_id, answer, end_stream=True)
            connection.sendall(session.data_to_send())

    with TLSServer(authority.issue("worker", "worker.internal"), serve, "h2") as server:
        tls = {"ca_file": str(authority.file), "server_name": "worker.internal"}
        fleet = in_front_of(configured, server.address, **tls)
        fleet.homing.await_probed()
        with fleet.client([("grpc.default_authority", "the-callers-choice")]) as client:
            assert client.call(ECHO, b"x").code is grpc.StatusCode.UNIMPLEMENTED
        assert fleet.homing.terminate() == 0
    assert {headers[":scheme"] for headers in seen} == {"https"}
    authorities = {headers[":path"]: headers[":authority"] for headers in seen}
    assert authorities[HEALTH] == "worker.internal" and authorities[ECHO] == "the-callers-choice"


# MARK: - New certificates


def serial(address: str, authority: Authority) -> int:
    with handshake(address, authority, "h2") as connection:
        return int(connection.getpeercert()["serialNumber"], 16)


def reloads(fleet: Fleet, outcome: str) -> float:
    return fleet.homing.metrics().sum("homing_tls_reloads_total", outcome=outcome)


@pytest.mark.parametrize("cause", ["timer", "signal"])
def test_a_new_certificate_is_taken_up_under_traffic_without_a_failed_call(configured, authority, cause):
    workers = started(2)
    identity = authority.issue("server", *LOCAL)
    interval = {"reload_interval_ms": 50 if cause == "timer" else 0}
    listeners = [listening(files(identity) | interval)]
    fleet = configured({"listeners": listeners, "clusters": [cluster(workers)]}, workers)
    answers, stopped = [], threading.Event()

    def call_again_and_again():
        while not stopped.is_set():
            # A connection for every call, as LocalAI makes them.
            with Client(fleet.address, credentials=credentials(authority)) as client:
                answers.append(client.predict("x"))

    caller = threading.Thread(target=call_again_and_again)
    with Client(fleet.address, credentials=credentials(authority)) as old:
        conversation = Conversation(old, BIDI)
        assert conversation.ping(b"before") == b"before"
        caller.start()
        try:
            for turn in range(5):
                renewed = authority.issue(f"renewed-{turn}", *LOCAL)
                identity.replace(renewed)
                if cause == "signal":
                    fleet.homing.process.send_signal(signal.SIGHUP)
                wait_until(lambda: serial(fleet.address, authority) == renewed.serial, "callers see the new one")
                count = len(answers)
                wait_until(lambda: len(answers) > count + 3, "calls go on")
        finally:
            stopped.set()
            caller.join()
        # Who is connected stays connected.
        assert conversation.ping(b"after") == b"after"
        conversation.close_half()
        assert conversation.outcome().ok
    failed = [answer for answer in answers if not answer.ok]
    assert not failed, failed
    assert reloads(fleet, "replaced") >= 5
    gauge = fleet.homing.metrics().named("homing_tls_certificate_expiry_seconds")
    assert [value for _, value in gauge] == [renewed.expiry]


@pytest.mark.parametrize("broken", ["garbage", "empty", "another_key", "gone"])
def test_broken_new_files_change_nothing_and_are_told_once(configured, authority, broken):
    workers = started(1)
    identity = authority.issue("server", *LOCAL)
    listeners = [listening(files(identity) | {"reload_interval_ms": 20})]
    fleet = configured({"listeners": listeners, "clusters": [cluster(workers)]}, workers)
    match broken:
        case "garbage":
            identity.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        case "empty":
            identity.certificate.write_text("")
        case "another_key":
            identity.key.write_bytes(authority.issue("other", *LOCAL).key.read_bytes())
        case "gone":
            identity.certificate.unlink()
    wait_until(lambda: reloads(fleet, "failed") > 0, "the failure is counted")
    assert serial(fleet.address, authority) == identity.serial
    with Client(fleet.address, credentials=credentials(authority)) as client:
        assert client.predict("x").ok
    told = [line for line in fleet.homing.stderr if "certificates not reloaded" in line]
    assert len(told) == 1 and str(identity.certificate) in told[0], told
    renewed = authority.issue("renewed", *LOCAL)
    identity.replace(renewed)
    wait_until(lambda: serial(fleet.address, authority) == renewed.serial, "good files are taken up")


def test_a_new_authority_upstream_is_taken_up(configured, authority, stranger):
    """The workers' certificates are of another authority until the operator puts it into the file."""
    workers = tls_workers(stranger.issue("worker", *LOCAL), 1)
    fleet = upstream(configured, workers, awaits_probes=False, ca_file=str(authority.file), reload_interval_ms=20)
    expect_unreachable(fleet, "tls_certificate")
    authority.file.write_bytes(authority.file.read_bytes() + stranger.file.read_bytes())
    wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "the replica is back")
    with fleet.client() as client:
        assert client.predict("x").ok


# MARK: - At the start


@pytest.mark.parametrize("broken", ["gone", "garbage", "another_key"])
def test_files_of_no_use_are_told_before_anything_is_served(authority, tmp_path, broken):
    identity = authority.issue("server", *LOCAL)
    match broken:
        case "gone":
            identity.key.unlink()
        case "garbage":
            identity.certificate.write_text("nonsense")
        case "another_key":
            identity.key.write_bytes(authority.issue("other", *LOCAL).key.read_bytes())
    homing = Process(
        [program(), "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--replica", "127.0.0.1:1",
         "--tls-certificate", identity.certificate, "--tls-key", identity.key],
        "^never$",
    )
    assert homing.process.wait(20) == 69
    homing.terminate()
    assert str(identity.key if broken == "gone" else identity.certificate) in "\n".join(homing.stderr)

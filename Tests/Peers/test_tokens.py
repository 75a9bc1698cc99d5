"""Who may call, and how the program proves itself to workers."""

import json
import os
import signal

import grpc
from h2.exceptions import StreamClosedError
import pytest

from client import BIDI, ECHO, ECHO_METADATA, HEALTH, LOAD_MODEL, PREDICT, PREDICT_STREAM, Client, prompt
from processes import Worker, wait_until
from raw import RawConnection, frame
from stubs import make, pb

#: Not secret: it exists for the length of a test.
TOKEN, OLD, WORKERS = "a-token.of~tests+1/2==", "an-old-token", "the-workers-token"


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Where tokens stand: one in the environment, two in files."""
    monkeypatch.setenv("HOMING_TEST_TOKEN", TOKEN)
    (tmp_path / "old").write_text(OLD + "\n")
    (tmp_path / "workers").write_text(WORKERS + "\n")
    return tmp_path


@pytest.fixture
def guarded(configured, secret):
    """A listener that wants a token, and a second one that does not."""

    def start(workers: int = 2, auth: dict | None = None, worker_token: str | None = None, is_ready: bool = True):
        arguments = ["--token", worker_token] if worker_token else []
        started = [worker.started() for worker in [Worker(*arguments) for _ in range(workers)]]
        tokens = [{"token_env": "HOMING_TEST_TOKEN"}, {"token_file": str(secret / "old")}]
        return configured(
            {
                "log_level": "trace",
                "listeners": [{"address": "127.0.0.1:0", "auth": {"tokens": tokens}}, "127.0.0.1:0"],
                "clusters": [
                    {
                        "name": "main",
                        "replicas": [worker.address for worker in started],
                        "probe": {"interval_ms": 100, "retry_ms": 50},
                        "auth": auth or {},
                    }
                ],
            },
            started,
            is_ready,
        )

    return start


# MARK: - Callers


@pytest.mark.parametrize("token", [TOKEN, OLD])
def test_the_right_token_lets_every_method_through(guarded, token):
    fleet = guarded()
    with fleet.client() as client:
        assert client.predict("x", bearer(token)).ok
        assert client.call(PREDICT_STREAM, prompt("x"), bearer(token)).ok
        assert client.call(HEALTH, pb.HealthMessage(), bearer(token)).reply.message == b"OK"
        assert client.call(ECHO, b"x", bearer(token)).ok
        assert client.call(BIDI, iter([b"x"]), bearer(token)).ok
        assert client.call(LOAD_MODEL, make(pb.ModelOptions, Model="m"), bearer(token)).ok


WRONG = {
    "none": ([], "missing authorization header"),
    "wrong": (bearer("x" * len(TOKEN)), "invalid token"),
    "shorter": (bearer(TOKEN[:-1]), "invalid token"),
    "longer": (bearer(TOKEN + "="), "invalid token"),
    "another_case": (bearer(TOKEN.upper()), "invalid token"),
    "two_spaces": (bearer(" " + TOKEN), "invalid token"),
    "lowercase_scheme": ([("authorization", f"bearer {TOKEN}")], "not a Bearer token"),
    "another_scheme": ([("authorization", f"Basic {TOKEN}")], "not a Bearer token"),
    "no_scheme": ([("authorization", TOKEN)], "not a Bearer token"),
    "scheme_only": ([("authorization", "Bearer")], "not a Bearer token"),
    "empty": ([("authorization", "")], "not a Bearer token"),
    "two": (bearer("wrong") + bearer(TOKEN), "not a Bearer token"),
    "in_another_header": ([("x-authorization", f"Bearer {TOKEN}")], "missing authorization header"),
}


@pytest.fixture
def guard(guarded):
    return guarded(1)


def test_every_other_token_is_refused_with_the_words_of_a_worker(guard):
    with guard.client() as client, Client(guard.homing.addresses[1]) as open_client:
        assert open_client.predict("x").ok, "the other listener wants none"
        calls = guard.count(PREDICT)
        for name, (metadata, details) in WRONG.items():
            for path, request in (
                (PREDICT, prompt("x")),
                (PREDICT_STREAM, prompt("x")),
                (HEALTH, pb.HealthMessage()),
                (LOAD_MODEL, make(pb.ModelOptions, Model="m")),
                (ECHO, b"x"),
                (BIDI, iter([b"x"])),
            ):
                answer = client.call(path, request, metadata)
                assert answer.code is grpc.StatusCode.UNAUTHENTICATED, f"{name} {path}: {answer}"
                assert answer.details == details, f"{name} {path}: {answer}"
        # Nothing reached the worker, and the connection is as good as before.
        assert guard.count(PREDICT) == calls and guard.count(LOAD_MODEL) == 0 and guard.count(ECHO) == 0
        assert client.predict("x", bearer(TOKEN)).ok
    metrics = guard.homing.metrics()
    for cause in ("missing_token", "malformed_token", "wrong_token"):
        assert metrics.sum("homing_local_replies_total", cause=cause) >= 6, cause


def test_a_refused_caller_that_goes_on_sending_costs_nothing(guard):
    with RawConnection(guard.address) as raw:
        stream = raw.open(PREDICT)
        answer = raw.read(stream)
        assert answer.status() == 16
        try:
            for _ in range(3):
                raw.send(stream, frame(b"x" * 10_000))
            raw.send(stream, b"", ends=True)
        except StreamClosedError:
            pass  # RST_STREAM(NO_ERROR) has come after the answer: the rest is not wanted.
        again = raw.open(PREDICT, [("content-type", "application/grpc"), ("te", "trailers"), *bearer(TOKEN)])
        raw.send(again, frame(prompt("x").SerializeToString()), ends=True)
        assert raw.read(again).status() == 0


def test_tokens_are_never_told(guarded, secret):
    fleet = guarded(1, auth={"token_file": str(secret / "workers")}, worker_token=WORKERS)
    with fleet.client() as client:
        assert client.predict("x", bearer(TOKEN)).ok
        assert not client.predict("x", bearer("some-other-token")).ok
    fleet.homing.process.send_signal(signal.SIGHUP)
    seen = [body for path in ("/metrics", "/api/replicas", "/api/clusters", "/") for body in [fleet.homing.get(path)[1]]]
    fleet.expect_quiet()
    assert fleet.homing.terminate() == 0
    said = "\n".join(fleet.homing.stdout + fleet.homing.stderr + seen)
    for token in (TOKEN, OLD, WORKERS, "some-other-token"):
        assert token not in said


# MARK: - Workers


def seen_by_worker(client: Client, metadata) -> list[str]:
    answer = client.call(ECHO_METADATA, b"", metadata)
    return [value for key, value in json.loads(answer.reply) if key == "authorization"]


def test_without_a_token_of_its_own_the_program_passes_the_callers(guarded):
    fleet = guarded(1)
    with fleet.client() as client, Client(fleet.homing.addresses[1]) as open_client:
        assert seen_by_worker(client, bearer(TOKEN)) == [f"Bearer {TOKEN}"]
        assert seen_by_worker(open_client, [("authorization", "Basic eDp5")]) == ["Basic eDp5"]
        assert seen_by_worker(open_client, []) == []


def test_with_a_token_of_its_own_it_replaces_or_adds_it(guarded, secret):
    fleet = guarded(1, auth={"token_file": str(secret / "workers")}, worker_token=WORKERS)
    with fleet.client() as client, Client(fleet.homing.addresses[1]) as open_client:
        assert seen_by_worker(client, bearer(TOKEN)) == [f"Bearer {WORKERS}"]
        assert seen_by_worker(open_client, []) == [f"Bearer {WORKERS}"]
        assert seen_by_worker(open_client, bearer("a") + bearer("b")) == [f"Bearer {WORKERS}"]
        assert open_client.predict("x").ok


def test_a_callers_token_stays_here_when_it_is_not_to_be_passed(guarded):
    fleet = guarded(1, auth={"pass_through": False})
    with fleet.client() as client:
        assert seen_by_worker(client, bearer(TOKEN)) == []


def test_probes_and_loads_carry_the_workers_token(guarded, secret):
    fleet = guarded(2, auth={"token_file": str(secret / "workers")}, worker_token=WORKERS)
    wait_until(lambda: all(worker.count(HEALTH) > 2 for worker in fleet.workers), "probes arrive")
    with fleet.client() as client:
        loaded = client.call(LOAD_MODEL, make(pb.ModelOptions, Model="nest"), bearer(TOKEN))
        assert loaded.ok and loaded.reply.success
    for worker in fleet.workers:
        snapshot = worker.snapshot()
        assert snapshot["model"] == "nest"
        assert all(counts["denied"] == 0 for counts in snapshot["methods"].values()), snapshot["methods"]
        assert ["authorization", f"Bearer {WORKERS}"] in snapshot["last"][HEALTH]["metadata"]


def test_a_workers_refusal_reaches_the_caller_as_it_is(guarded):
    """The worker wants a token that the program does not have, and so the caller has to bring it."""
    fleet = guarded(1, worker_token=WORKERS, is_ready=False)
    with Client(fleet.homing.addresses[1]) as client:
        denied = client.predict("x")
        assert denied.code is grpc.StatusCode.UNAUTHENTICATED and denied.details == "invalid token (worker)"
        assert client.predict("x", bearer(WORKERS)).ok
    # The operator hears of it: once in the log, however often the program asks.
    wait_until(lambda: fleet.homing.metrics().sum("homing_probes_denied_total") > 2, "denied probes are counted")
    assert sum("does not accept our token" in line for line in fleet.homing.stderr) == 1


# MARK: - New tokens


def reloads(fleet, outcome: str) -> float:
    return fleet.homing.metrics().sum("homing_token_reloads_total", outcome=outcome)


def hang_up(fleet, outcome: str):
    """SIGHUP, and what it leads to."""
    before = reloads(fleet, outcome)
    fleet.homing.process.send_signal(signal.SIGHUP)
    wait_until(lambda: reloads(fleet, outcome) == before + 1, f"the tokens are {outcome}")


def test_a_new_token_of_callers_is_taken_up_at_sighup(guarded, secret):
    fleet = guarded()
    with fleet.client() as client:
        calls = lambda token: client.predict("x", bearer(token)).code
        assert calls(OLD) is grpc.StatusCode.OK
        (secret / "old").write_text("a-newer-token\n")
        assert calls("a-newer-token") is grpc.StatusCode.UNAUTHENTICATED, "nobody asked for it yet"
        hang_up(fleet, "replaced")
        assert calls("a-newer-token") is grpc.StatusCode.OK, "on a connection that was open before, too"
        assert calls(OLD) is grpc.StatusCode.UNAUTHENTICATED
        assert calls(TOKEN) is grpc.StatusCode.OK, "what the environment says stays"
        for broken in ("", "two words\n"):
            (secret / "old").write_text(broken)
            hang_up(fleet, "failed")
            assert calls("a-newer-token") is grpc.StatusCode.OK, "a file of no use changes nothing"
        (secret / "old").unlink()
        hang_up(fleet, "failed")
        assert calls("a-newer-token") is grpc.StatusCode.OK
        assert any("tokens not reloaded, the old ones stay" in line for line in fleet.homing.stderr)
        assert not any("a-newer-token" in line for line in fleet.homing.stderr)


def test_a_new_token_of_workers_is_taken_up_at_sighup(guarded, secret):
    (secret / "workers").write_text("not-yet-the-right-one")
    fleet = guarded(auth={"token_file": str(secret / "workers")}, worker_token=WORKERS)
    with Client(fleet.homing.addresses[1]) as client:
        assert client.predict("x").code is grpc.StatusCode.UNAUTHENTICATED
        (secret / "workers").write_text(WORKERS)
        hang_up(fleet, "replaced")
        assert client.predict("x").ok
        denied = lambda: fleet.homing.metrics().sum("homing_probes_denied_total")
        last = denied()
        healthy = lambda: sum(worker.count(HEALTH, "ended") for worker in fleet.workers)
        enough = healthy() + 4
        wait_until(lambda: healthy() >= enough, "probes carry the new one")
        assert denied() <= last + len(fleet.workers), "but for those that were under way"


@pytest.mark.skipif(os.environ.get("HOMING_TEST_TOKEN") is not None, reason="the environment has the test's variable")
def test_a_token_that_is_not_there_is_a_problem_with_a_path(tmp_path):
    import subprocess

    from processes import program

    configuration = tmp_path / "homing.yaml"
    configuration.write_text(
        json.dumps(
            {
                "listeners": [{"address": "127.0.0.1:0", "auth": {"tokens": [{"token_env": "HOMING_TEST_TOKEN"}, {}]}}],
                "clusters": [
                    {"name": "a", "replicas": ["127.0.0.1:1"], "auth": {"token_file": str(tmp_path / "none")}},
                ],
            }
        )
    )
    done = subprocess.run([program(), "serve", "-c", configuration], capture_output=True, text=True, timeout=30)
    assert done.returncode == 65
    for path in ("listeners[0].auth.tokens[0].token_env", "listeners[0].auth.tokens[1]", "clusters[0].auth.token_file"):
        assert path in done.stderr, done.stderr

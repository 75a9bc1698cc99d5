"""Replicas that come and go while callers call: by the admin API and by `homing replica`."""

import json
import random
import threading
from urllib.parse import quote

import grpc
import pytest

from client import ECHO, LOAD_MODEL, PREDICT, PREDICT_STREAM, Client, prompt, script
from operating import Operator, ask
from processes import Worker, wait_until
from schema import problems
from stubs import make, pb


@pytest.fixture
def operated(configured, tmp_path):
    """Starts a fleet whose admin port takes changes; `named` of its workers are in the configuration."""

    def start(workers: int, named: int | None = None, worker_arguments=(), **cluster) -> Operator:
        started = [Worker(*worker_arguments).started() for _ in range(workers)]
        token = tmp_path / "token"
        token.write_text("right\n")
        addresses = [worker.address for worker in started[: workers if named is None else named]]
        fleet = configured(
            {
                "listeners": ["127.0.0.1:0"],
                "admin": {"auth": {"tokens": [{"token_file": str(token)}]}},
                "clusters": [{"name": "chat", "replicas": addresses, **cluster}],
            },
            started,
            awaits_probes=False,
        )
        operator = Operator(fleet, str(token))
        operator.await_available(*started[: len(addresses)])
        return operator

    return start


class Traffic:
    """Callers that never stop, with unary calls and streams, and remember every call that did not end well."""

    def __init__(self, operator: Operator, callers: int):
        self.address = operator.fleet.address
        self.failures: list[str] = []
        self.served: dict[str, int] = {}
        self.calls = 0
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(callers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)

    def run(self, number: int):
        dice = random.Random(number)
        with Client(self.address) as client:
            while not self.is_over.is_set():
                text = f"conversation {dice.randrange(6)} " * 120 + str(dice.random())
                kind = dice.randrange(3)
                if kind == 0:
                    outcome = client.predict(text)
                elif kind == 1:
                    outcome = client.call(ECHO, b"x")
                else:
                    what = script(messages=dice.randrange(1, 12), interval_s=0.01)
                    outcome = client.call(PREDICT_STREAM, prompt(text), what)
                with self.lock:
                    self.calls += 1
                    self.served[outcome.worker] = self.served.get(outcome.worker, 0) + 1
                    if not outcome.ok:
                        self.failures.append(f"{outcome.code.name}: {outcome.details}")


@pytest.mark.parametrize("policy", ["expected_ttft", "prefix_cache", "round_robin"])
def test_no_call_fails_while_replicas_are_added_drained_and_removed(operated, policy):
    operator = operated(4, routing={"policy": policy})
    workers = operator.fleet.workers
    dice = random.Random(7)
    with Traffic(operator, 6) as traffic:
        for _ in range(10):
            one, other = dice.sample(workers, 2)
            operator.remove(one)
            operator.change("drain", other)
            assert operator.state(other) == "draining"
            # It may have no stream left, and be gone, by then.
            name = quote(one.address, safe="")
            if dice.random() < 0.5 or operator.ask("POST", f"/api/replicas/{name}/undrain")[0] != 200:
                operator.await_gone(one)
                operator.add(one, weight=dice.randrange(1, 4))
            operator.change("undrain", other)
            before = traffic.calls
            wait_until(lambda: traffic.calls > before + 20, "calls go on")
            operator.await_available(*workers)
    assert traffic.failures == [] and traffic.calls > 200
    assert all(traffic.served.get(worker.address, 0) > 0 for worker in workers)
    metrics = operator.fleet.homing.metrics()
    assert metrics.sum("homing_in_flight_drift_total") == 0
    assert {labels["replica"] for labels, _ in metrics.named("homing_replica_in_flight")} == {
        worker.address for worker in workers
    }


def test_a_stream_goes_on_to_its_end_on_a_replica_that_is_removed(operated):
    operator = operated(2)
    with operator.fleet.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=60, interval_s=0.02))
        home = operator.fleet.worker(call.headers()["x-worker"])
        other = next(worker for worker in operator.fleet.workers if worker is not home)
        said = operator.remove(home)
        assert (said["result"], said["in_flight"], said["origins"]) == ("leaving", 1, [])
        row = operator.replicas()[home.address]
        assert row["state"] == "draining" and not row["usable"] and row["in_flight"] == 1
        assert row["drain"]["since_ms"] >= 0 and 0 < row["drain"]["leaves_in_ms"] <= 30_000
        state = {"cluster": "chat", "replica": home.address, "state": "draining"}
        assert operator.fleet.homing.metrics().sum("homing_replica_state", **state) == 1
        assert "draining" in operator.run("status").stdout
        assert {client.predict(f"prompt {n}").worker for n in range(10)} == {other.address}
        outcome = call.outcome()
        assert outcome.ok and outcome.worker == home.address
    operator.await_gone(home)
    assert f'replica="{home.address}"' not in ask(operator.admin, "/metrics")[1]
    operator.add(home)
    operator.await_available(home)


def test_a_stream_that_outlives_the_limit_is_cut_and_tells_why(operated):
    operator = operated(2, replica_drain_timeout_ms=200)
    with operator.fleet.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.02))
        home = operator.fleet.worker(call.headers()["x-worker"])
        operator.remove(home)
        outcome = call.outcome()
        assert outcome.code is grpc.StatusCode.ABORTED and "went away" in outcome.details
    operator.await_gone(home)
    told = lambda: [event["message"] for event in ask(operator.admin, "/api/events")[1]["events"]]
    assert "replica to be removed" in told()
    wait_until(lambda: "replica removed" in told(), "its end is told")
    operator.add(home)
    operator.await_available(home)


def test_removal_now_does_not_wait(operated):
    operator = operated(2)
    with operator.fleet.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.02))
        home = operator.fleet.worker(call.headers()["x-worker"])
        operator.remove(home, "?now=true")
        assert call.outcome().code is grpc.StatusCode.ABORTED
    operator.await_gone(home)
    operator.add(home)
    operator.await_available(home)


def test_a_drained_replica_stays_until_it_is_taken_back_with_its_cache(operated):
    operator = operated(2, routing={"policy": "prefix_cache"})
    text = "A prompt that somebody remembers. " * 60
    with operator.fleet.client() as client:
        home = operator.fleet.worker(client.predict(text).worker)
        blocks = operator.replicas()[home.address]["cached_blocks"]
        assert blocks > 0
        assert operator.change("drain", home)["result"] == "draining"
        assert operator.change("drain", home)["result"] == "unchanged"
        assert operator.replicas()[home.address]["drain"]["leaves_in_ms"] is None
        assert all(client.predict(text).worker != home.address for _ in range(5))
        assert operator.change("undrain", home)["result"] == "serving"
        assert operator.replicas()[home.address]["cached_blocks"] == blocks
        assert operator.change("undrain", home)["result"] == "unchanged"


def test_a_fleet_may_begin_empty_and_gets_its_model_with_its_first_replica(operated):
    operator = operated(2, named=0, worker_arguments=("--requires-model",))
    first, second = operator.fleet.workers
    with operator.fleet.client() as client:
        refused = client.predict("x")
        assert refused.code is grpc.StatusCode.UNAVAILABLE and "no replica" in refused.details
        operator.add(first)
        operator.await_available(first)
        options = make(pb.ModelOptions, Model="m", ModelFile="m.gguf")
        assert client.call(LOAD_MODEL, options).reply.success
        operator.add(second)
        operator.await_available(second)
        assert second.count(LOAD_MODEL) == 1 and first.count(LOAD_MODEL) == 1
        assert client.predict("x").ok
        operator.remove(first)
        operator.await_gone(first)
        assert {client.predict(f"p{n}").worker for n in range(4)} == {second.address}
    operator.add(first)
    operator.await_available(first)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/api/replicas", "nonsense", 400, "body_is_not_a_replica"),
        ("POST", "/api/replicas", "", 400, "body_is_not_a_replica"),
        ("POST", "/api/replicas", "[]", 400, "body_is_not_a_replica"),
        ("POST", "/api/replicas", {}, 400, "bad_address"),
        ("POST", "/api/replicas", {"address": 7}, 400, "bad_address"),
        ("POST", "/api/replicas", {"address": "nowhere"}, 400, "bad_address"),
        ("POST", "/api/replicas", {"address": "h:0"}, 400, "bad_address"),
        ("POST", "/api/replicas", {"address": "h:1", "weight": 0}, 400, "bad_weight"),
        ("POST", "/api/replicas", {"address": "h:1", "weight": 1.5}, 400, "bad_weight"),
        ("POST", "/api/replicas", {"address": "h:1", "weight": True}, 400, "bad_weight"),
        ("POST", "/api/replicas", {"address": "h:1", "weight": "2"}, 400, "bad_weight"),
        ("POST", "/api/replicas", {"address": "h:1", "cluster": 1}, 400, "bad_cluster"),
        ("POST", "/api/replicas", {"address": "h:1", "wieght": 2}, 400, "unknown_key"),
        ("POST", "/api/replicas", {"address": "h:1", "cluster": "none"}, 404, "no_such_cluster"),
        ("POST", "/api/replicas", {"address": "THERE"}, 409, "replica_is_there"),
        ("DELETE", "/api/replicas/h:1", None, 404, "no_such_replica"),
        ("DELETE", "/api/replicas/THERE?now=perhaps", None, 400, "now_is_true_or_false"),
        ("DELETE", "/api/replicas/THERE?cluster=none", None, 404, "no_such_cluster"),
        ("POST", "/api/replicas/h:1/drain", None, 404, "no_such_replica"),
        ("POST", "/api/replicas/h:1/undrain", None, 404, "no_such_replica"),
        ("POST", "/api/replicas/THERE/explode", None, 404, "no_such_path"),
        ("POST", "/api/replicas/THERE", None, 405, "method_not_allowed"),
        ("GET", "/api/replicas/THERE/drain", None, 405, "method_not_allowed"),
        ("DELETE", "/api/replicas", None, 405, "method_not_allowed"),
        ("GET", "/api/reload", None, 405, "method_not_allowed"),
        ("POST", "/api/replicas", "x" * 5_000, 413, "body_too_large"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(one_operated, method, path, body, status, error):
    operator = one_operated
    there = operator.fleet.workers[0].address
    if isinstance(body, dict):
        body = {key: there if value == "THERE" else value for key, value in body.items()}
    before = operator.replicas().keys()
    got, answer = operator.ask(method, path.replace("THERE", there), body)
    assert (got, answer["error"]) == (status, error)
    schema = ask(operator.admin, "/api/schema")[1]
    schema = schema if isinstance(schema, dict) else json.loads(schema)
    assert problems(answer, schema["$defs"]["error"], schema) == []
    assert operator.replicas().keys() == before and operator.state(operator.fleet.workers[0]) == "available"


@pytest.fixture
def one_operated(operated):
    return operated(1)


def test_every_answer_to_a_change_matches_the_schema(operated):
    operator = operated(2)
    schema = json.loads(ask(operator.admin, "/api/schema")[1])
    worker = operator.fleet.workers[1]
    answers = [operator.change("drain", worker), operator.change("undrain", worker), operator.remove(worker)]
    rows = ask(operator.admin, "/api/replicas")[1]
    operator.await_gone(worker)
    answers.append(operator.add(worker, cluster="chat", weight=3))
    for answer in answers:
        assert problems(answer, schema["$defs"]["replica-change"], schema) == []
    assert problems(rows, schema["$defs"]["replicas"], schema) == []
    assert [answer["result"] for answer in answers] == ["draining", "serving", "leaving", "added"]
    assert operator.replicas()[worker.address]["weight"] == 3
    assert operator.replicas()[worker.address]["origins"] == ["api"]
    operator.await_available(worker)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_changes_need_the_token(one_operated, token):
    operator = one_operated
    address = operator.fleet.workers[0].address
    for method, path in [
        ("POST", "/api/replicas"), ("DELETE", f"/api/replicas/{address}"), ("POST", f"/api/replicas/{address}/drain"),
        ("POST", "/api/reload"),
    ]:
        status, body = ask(operator.admin, path, method, "{}", token)
        assert status == 401 and body["error"] == ("token_required" if token is None else "wrong_token")
    assert operator.state(operator.fleet.workers[0]) == "available"


def test_without_a_token_nothing_changes(fleet):
    for method, path in [("POST", "/api/replicas"), ("DELETE", "/api/replicas/h:1"), ("POST", "/api/reload")]:
        status, body = ask(fleet.homing.admin, path, method, "{}", None)
        assert status == 403 and body["error"] == "no_token_configured"


# In the terminal.


def test_replica_commands_do_what_they_say(operated):
    operator = operated(2, named=1)
    first, second = operator.fleet.workers
    added = operator.run("replica", "add", second.address, "--weight", "2")
    assert added.returncode == 0 and added.stdout == f"{second.address} in chat: added; it gets streams when it has answered\n"
    operator.await_available(second)
    drained = operator.run("replica", "drain", first.address, "--json")
    assert drained.returncode == 0 and json.loads(drained.stdout)["result"] == "draining"
    table = operator.run("replica", "list")
    rows = {line.split()[1]: line for line in table.stdout.splitlines()[1:]}
    assert table.returncode == 0 and rows.keys() == {first.address, second.address}
    assert "draining" in rows[first.address] and "static" in rows[first.address] and "api" in rows[second.address]
    listed = json.loads(operator.run("replica", "list", "--json", "--cluster", "chat").stdout)["replicas"]
    assert {row["id"]: row["drain"] is None for row in listed} == {first.address: False, second.address: True}
    assert operator.run("replica", "undrain", first.address).stdout == f"{first.address} in chat: serves again\n"
    removed = operator.run("replica", "remove", second.address)
    assert removed.returncode == 0 and "leaves; 0 streams are open" in removed.stdout
    operator.await_gone(second)
    again = operator.run("replica", "remove", second.address)
    assert again.returncode == 4 and again.stderr == f"homing: there is no replica {second.address}\n"
    there = operator.run("replica", "add", first.address)
    assert there.returncode == 4 and "already" in there.stderr and there.stdout == ""
    operator.run("replica", "add", second.address, "--cluster", "chat")
    operator.await_available(second)


def test_replica_commands_say_what_is_wrong(one_operated):
    operator = one_operated
    for arguments in (["add", "nowhere"], ["add", "h:1", "--weight", "0"], ["drain"], ["explode"]):
        done = operator.run("replica", *arguments)
        assert done.returncode == 2 and done.stdout == "", arguments
    without = operator.run("replica", "drain", operator.fleet.workers[0].address, token=False)
    assert without.returncode == 1 and "HOMING_ADMIN_TOKEN" in without.stderr
    other = operator.run("replica", "drain", "h:1", "--cluster", "none")
    assert other.returncode == 4 and other.stderr == "homing: there is no cluster none\n"


def test_replica_commands_say_that_a_token_is_to_be_configured(fleet):
    operator = Operator.__new__(Operator)
    operator.admin, operator.token_file = fleet.homing.admin, ""
    done = operator.run("replica", "drain", "h:1", token=False)
    assert done.returncode == 4 and "admin.auth.tokens" in done.stderr

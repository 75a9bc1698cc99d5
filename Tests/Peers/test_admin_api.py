"""The admin API: what it says of the recent past, that all of it matches its schema, and who may ask."""

import http.client
import json
import re
import signal
import subprocess

import grpc
import pytest

from client import ECHO, PREDICT_STREAM, Client, prompt, script
from fleet import Homing
from processes import Worker, program, wait_until
from raw_worker import RawWorker
from schema import problems
from stubs import ROOT

ANSWERS = ["clusters", "replicas", "decisions", "events", "history", "config", "log-level"]
LONG = "Where does the bird live? " * 100


def ask(address: str, path: str, method: str = "GET", token: str | None = None, body: str | None = None):
    """Status, headers and body of one answer of an admin port."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def get(fleet, name: str) -> dict:
    status, _, body = ask(fleet.homing.admin, f"/api/{name}")
    assert status == 200, body
    return json.loads(body)


def first_state(address: str, token: str | None = None) -> dict:
    """The data of the first event of /api/stream."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/api/stream", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("content-type").startswith("text/event-stream")
        assert answer.readline() == b"event: state\n"
        return json.loads(answer.readline().removeprefix(b"data: "))
    finally:
        connection.close()


@pytest.fixture
def lively(own_fleet):
    """A fleet that has served prompts and other calls, lost a replica, and got it back."""
    fleet = own_fleet(3)
    with fleet.client() as client:
        for turn in range(3):
            assert client.call(PREDICT_STREAM, prompt(LONG + str(turn))).ok
        assert client.predict("short").ok
        assert client.call(ECHO, b"x").ok
    victim = fleet.workers[0]
    victim.kill()
    wait_until(lambda: fleet.homing.replicas()[victim.address]["state"] == "unreachable", "the replica is out")
    victim.restart()
    wait_until(lambda: fleet.homing.replicas()[victim.address]["usable"], "the replica is back")
    wait_until(lambda: any(point["replicas"] for point in get(fleet, "history")["points"]), "an interval has ended")
    return fleet


def test_every_answer_matches_the_schema(lively):
    schema = get(lively, "schema")
    for name in ANSWERS:
        answer = get(lively, name)
        assert problems(answer, schema["$defs"][name], schema) == [], name
        # A list with nothing in it would match anything.
        first = next(iter(answer.values()))
        assert first, f"{name} is empty"
    state = first_state(lively.homing.admin)
    assert problems(state, schema["$defs"]["stream"], schema) == []
    assert state["ready"] and state["decisions"] and state["events"] and state["history"]["points"]
    for path in ("/api/nothing", "/api/decisions?limit=0"):
        status, _, body = ask(lively.homing.admin, path)
        assert status >= 400 and problems(json.loads(body), schema["$defs"]["error"], schema) == []


def test_the_schema_finds_what_does_not_match_it(lively):
    schema = get(lively, "schema")
    answer = get(lively, "decisions")
    answer["decisions"][0]["reason"] = 7
    answer["decisions"][0]["matched_share"] = 1.5
    answer["decisions"][0]["prompt"] = "words"
    del answer["decisions"][0]["replica"]
    assert len(problems(answer, schema["$defs"]["decisions"], schema)) == 4


def test_the_page_about_the_api_names_every_path_and_key(lively):
    page = (ROOT / "Sources/homing/homing.docc/AdminAPI.md").read_text()
    schema = get(lively, "schema")
    for name in [*ANSWERS, "stream", "schema"]:
        assert f"`/api/{name}" in page, name
    keys = {key for definition in schema["$defs"].values() for key in definition["properties"]}
    assert not {key for key in keys if f"`{key}`" not in page}


def test_a_decision_says_where_a_prompt_went_and_why(fleet):
    text = "A prompt of its own for this test. " * 80
    with fleet.client() as client:
        homes = [client.call(PREDICT_STREAM, prompt(text)).worker for _ in range(2)]
    second, first = get(fleet, "decisions?limit=2")["decisions"]
    assert first["unix_ms"] <= second["unix_ms"] and first["id"] != second["id"]
    assert [first["replica"], second["replica"]] == homes
    assert first["matched_share"] == 0 and second["matched_share"] > 0.9 and second["reason"] == "prefix_match"
    assert second["method"] == "PredictStream" and second["prompt_bytes"] > 2_000 and second["retries"] == 0
    assert second["observed_ms"] > 0 and second["candidate_count"] == 3 == len(second["candidates"])
    held = {candidate["replica"]: candidate["matched_share"] for candidate in second["candidates"]}
    assert held[second["replica"]] > 0.9 and sorted(held.values())[:2] == [0, 0]


def test_the_candidates_of_a_decision_carry_their_load(fleet):
    with fleet.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.02))
        busy = call.headers()["x-worker"]
        assert client.call(ECHO, b"x").ok
        newest = get(fleet, "decisions?limit=1")["decisions"][0]
        call.cancel()
    assert {c["replica"]: c["in_flight"] for c in newest["candidates"]} == {
        worker.address: int(worker.address == busy) for worker in fleet.workers
    }
    assert newest["method"] == "other" and newest["matched_share"] is None and newest["replica"] != busy


def test_a_retried_stream_leaves_a_decision_for_each_try():
    def refuses(connection, stream):
        connection.h2.reset_stream(stream, 7)

    with RawWorker(on_end=refuses) as refusing, RawWorker() as healthy:
        homing = Homing([refusing.address, healthy.address], "--policy", "round_robin")
        try:
            homing.started().await_probed()
            with Client(homing.address) as client:
                for _ in range(2):
                    assert client.predict("x").ok
            picks = json.loads(ask(homing.admin, "/api/decisions")[2])["decisions"]
        finally:
            assert homing.terminate() == 0, homing.tail()
    tries = {(pick["replica"], pick["retries"], pick["observed_ms"] is not None) for pick in picks}
    assert {(refusing.address, 0, False), (healthy.address, 1, True)} <= tries


def test_more_picks_than_are_kept_leave_the_last_512(own_fleet):
    fleet = own_fleet(2, "--threads", "2", "--no-access-log")
    with fleet.client() as client:
        for number in range(600):
            assert client.call(ECHO, b"x").ok
    assert len(get(fleet, "decisions?limit=512")["decisions"]) == 512
    assert len(get(fleet, "decisions")["decisions"]) == 50


def test_no_prompt_is_ever_shown(fleet):
    secret = "the-secret-words-of-a-prompt"
    with fleet.client() as client:
        assert client.predict(secret * 20).ok
        answer = client.call(ECHO, secret.encode(), script(status="INTERNAL", details="x"))
        assert answer.code is grpc.StatusCode.INTERNAL
    for name in [*ANSWERS, "schema"]:
        assert secret not in ask(fleet.homing.admin, f"/api/{name}")[2]
    assert secret not in json.dumps(first_state(fleet.homing.admin))


def test_events_tell_of_a_replica_that_goes_and_comes_back(lively):
    address = lively.workers[0].address
    events = get(lively, "events?limit=512")["events"]
    changes = [e["fields"] for e in reversed(events) if e["message"] == "replica changed"]
    states = [fields["to"] for fields in changes if fields["replica"] == address]
    assert "unreachable" in states and states[-1] == "available"
    assert [event["id"] for event in events] == list(range(events[0]["id"], 0, -1))
    newest = events[0]["id"]
    assert get(lively, f"events?after={newest}")["events"] == []


def test_the_settings_in_use_show_no_secret(configured, tmp_path):
    worker = Worker().started()
    token = tmp_path / "token"
    token.write_text("the-secret-token\n")
    fleet = configured(
        {
            "listeners": [{"address": "127.0.0.1:0", "auth": {"tokens": [{"token_file": str(token)}]}}],
            "clusters": [{"name": "chat", "replicas": [worker.address]}],
        },
        [worker],
    )
    status, _, body = ask(fleet.homing.admin, "/api/config")
    settings = json.loads(body)["settings"]
    assert status == 200 and "the-secret-token" not in body
    assert settings["listeners"][0]["auth"]["tokens"] == [{"token": "<set>"}]
    assert settings["clusters"][0]["routing"]["policy"] == "expected_ttft"
    assert settings["clusters"][0]["probe"]["interval_ms"] > 0 and settings["access_log"]["sample_share"] == 1


def test_a_token_guards_the_port_and_lets_the_log_level_change(configured, tmp_path):
    worker = Worker().started()
    token = tmp_path / "token"
    token.write_text("right\n")
    configuration = {
        "listeners": ["127.0.0.1:0"],
        "admin": {"auth": {"tokens": [{"token_file": str(token)}]}},
        "clusters": [{"name": "chat", "replicas": [worker.address]}],
    }
    fleet = configured(configuration, [worker], awaits_probes=False)
    admin = fleet.homing.admin
    # What is looked at after every test brings the token too.
    fleet.homing.get = lambda path: ask(admin, path, token=token.read_text().strip())[::2]
    assert ask(admin, "/live")[0] == 200 and ask(admin, "/")[0] == 200
    for path in ("/metrics", "/api/replicas", "/api/stream", "/api/config"):
        assert ask(admin, path)[0] == 401 and ask(admin, path, token="wrong")[0] == 401
    assert ask(admin, "/metrics", token="right")[0] == 200 and first_state(admin, "right")["clusters"]
    error, debug = (json.dumps({"log_level": level}) for level in ("error", "debug"))
    assert ask(admin, "/api/log-level", "PUT", "wrong", error)[0] == 401
    assert ask(admin, "/api/log-level", "PUT", "right", error)[0] == 200
    assert json.loads(ask(admin, "/api/log-level", token="right")[2]) == {"log_level": "error"}
    # The token of a file may change while it runs.
    token.write_text("other\n")
    fleet.homing.process.send_signal(signal.SIGHUP)
    wait_until(lambda: ask(admin, "/metrics", token="other")[0] == 200, "the new token is taken")
    assert ask(admin, "/metrics", token="right")[0] == 401
    messages = [event["message"] for event in json.loads(ask(admin, "/api/events", token="other")[2])["events"]]
    assert "tokens reloaded" in messages and "reload asked for" in messages
    assert not any("reload" in line for line in fleet.homing.stderr)
    assert ask(admin, "/api/log-level", "PUT", "other", debug)[0] == 200
    worker.kill()
    wait_until(lambda: any(" debug " in line for line in fleet.homing.stderr), "debug messages are written")


def test_a_log_level_stays_where_there_is_no_token(fleet):
    level = json.dumps({"log_level": "debug"})
    status, _, body = ask(fleet.homing.admin, "/api/log-level", "PUT", body=level)
    assert status == 403 and "no_token_configured" in body


def test_a_port_that_others_reach_needs_a_token(tmp_path):
    path = tmp_path / "homing.yaml"
    path.write_text(json.dumps({"admin": {"address": "0.0.0.0:9901"}, "clusters": [{"name": "a", "replicas": ["a:1"]}]}))
    done = subprocess.run([program(), "check-config", path], capture_output=True, text=True, timeout=30)
    assert done.returncode == 65 and re.search(r"homing.yaml:1: admin.address: .*admin.auth.tokens", done.stderr)

"""The access log in a file: reopened, sampled, and with what ties a call to other people's logs."""

import json
import re
import signal

import grpc
import pytest

from client import ECHO_METADATA, PREDICT, prompt, script
from processes import Worker, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def logged(configured, tmp_path):
    """Starts a fleet whose access log is a JSON file; gives the fleet and a reader of the file."""

    def start(proxy: dict | None = None, **settings):
        worker = Worker().started()
        path = tmp_path / "access.log"
        configuration = {
            "listeners": ["127.0.0.1:0"],
            "proxy": proxy or {},
            "access_log": {"format": "json", "path": str(path), **settings},
            "clusters": [{"name": "chat", "replicas": [worker.address]}],
        }
        return configured(configuration, [worker]), path

    return start


def rows(path, count: int) -> list[dict]:
    """The lines of the file, once there are as many."""
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= count, f"{count} lines in {path.name}")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_go_to_the_file_and_not_to_stdout(logged):
    fleet, path = logged()
    with fleet.client() as client:
        assert client.predict("x").ok
    assert [row["method"] for row in rows(path, 1)] == [PREDICT]
    assert fleet.homing.access_lines() == []
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_moved_away_is_begun_anew_on_sighup(logged):
    fleet, path = logged()
    moved = path.with_suffix(".1")
    with fleet.client() as client:
        assert client.predict("x").ok
        rows(path, 1)
        path.rename(moved)
        assert client.predict("x").ok
        assert len(rows(moved, 2)) == 2
        fleet.homing.process.send_signal(signal.SIGHUP)
        wait_until(path.exists, "there is a file again")
        assert client.predict("x").ok
        assert len(rows(path, 1)) == 1 and len(rows(moved, 2)) == 2
    events = json.loads(fleet.homing.get("/api/events")[1])["events"]
    assert "access log opened again" in [event["message"] for event in events]


def test_a_file_that_was_cut_goes_on_from_its_beginning(logged):
    fleet, path = logged()
    with fleet.client() as client:
        assert client.predict("x").ok
        rows(path, 1)
        path.write_text("")
        assert client.predict("x").ok
    assert len(rows(path, 1)) == 1


def test_a_file_that_cannot_be_opened_again_keeps_the_old_one(logged):
    fleet, path = logged()
    moved = path.with_suffix(".1")
    path.rename(moved)
    path.mkdir()
    fleet.homing.process.send_signal(signal.SIGHUP)
    said = "access log not opened again, the old file stays"
    wait_until(lambda: any(said in line for line in fleet.homing.stderr), "it says so")
    with fleet.client() as client:
        assert client.predict("x").ok
    assert len(rows(moved, 1)) == 1


def test_a_sample_leaves_out_calls_that_went_well_and_no_others(logged):
    fleet, path = logged(sample_share=0)
    with fleet.client() as client:
        for _ in range(20):
            assert client.predict("x").ok
        failed = client.predict("x", script(status="INTERNAL", details="x"))
        assert failed.code is grpc.StatusCode.INTERNAL
    assert [row["grpc_status_name"] for row in rows(path, 1)] == ["INTERNAL"]


def test_a_sample_is_about_as_large_as_it_should_be(logged):
    fleet, path = logged(sample_share=0.5)
    with fleet.client() as client:
        for _ in range(200):
            assert client.predict("x").ok
        assert not client.predict("x", script(status="INTERNAL", details="x")).ok
    wait_until(lambda: path.exists() and "INTERNAL" in path.read_text(), "the last line is there")
    # Outside of these bounds once in 10^12 runs.
    assert 50 <= len(path.read_text().splitlines()) <= 150


def test_model_request_id_and_trace_are_logged_and_passed_on(logged):
    fleet, path = logged()
    sent = [("x-request-id", "req-7"), ("traceparent", TRACE), ("tracestate", "a=1")]
    with fleet.client() as client:
        assert client.call(PREDICT, prompt("x", ModelIdentity="nest-7b"), sent).ok
        echoed = client.call(ECHO_METADATA, b"", sent)
    got = json.loads(echoed.reply)
    got = dict(got) if isinstance(got, list) else got
    assert all(got[name] == value for name, value in sent)
    predict, echo = rows(path, 2)
    assert (predict["model"], predict["request_id"], predict["traceparent"]) == ("nest-7b", "req-7", TRACE)
    assert (echo["model"], echo["request_id"]) == (None, "req-7")


def test_a_request_id_is_made_only_where_one_is_missing_and_wanted(logged):
    fleet, path = logged(proxy={"make_request_ids": True})
    with fleet.client() as client:
        for sent in ([], [("x-request-id", "mine")]):
            assert client.call(ECHO_METADATA, b"", sent).ok
        got = json.loads(client.call(ECHO_METADATA, b"").reply)
    got = dict(got) if isinstance(got, list) else got
    made, kept, echoed = (row["request_id"] for row in rows(path, 3))
    assert re.fullmatch("[0-9a-f]{32}", made) and kept == "mine" and made != echoed
    assert got["x-request-id"] == echoed

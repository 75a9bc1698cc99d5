"""What an operator sees: metrics, replicas, one access-log line per stream."""

import grpc
import pytest

from client import BIDI, ECHO, HEALTH, PREDICT, PREDICT_STREAM, prompt, script
from processes import wait_until
from stubs import pb

METRICS = [
    "homing_streams_total",
    "homing_streams_active",
    "homing_picks_total",
    "homing_replica_in_flight",
    "homing_replica_state",
    "homing_probes_total",
    "homing_time_to_first_response_seconds_bucket",
    "homing_time_to_first_response_seconds_sum",
    "homing_time_to_first_response_seconds_count",
    "homing_buffered_bytes",
    "homing_held_bytes",
]


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_there_once_calls_were_made(fleet, name):
    with fleet.client() as client:
        assert client.predict("x").ok
    fleet.homing.metrics().named(name)


def test_streams_are_counted_once_by_method_and_status(fleet):
    def totals() -> float:
        return fleet.homing.metrics().sum("homing_streams_total")

    before, first = totals(), fleet.homing.metrics().sum("homing_time_to_first_response_seconds_count")
    with fleet.client() as client:
        for _ in range(5):
            assert client.predict("x").ok
        assert client.call(BIDI, iter([b"x"])).ok
        assert client.predict("x", script(status="INTERNAL", details="x")).code is grpc.StatusCode.INTERNAL
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=1_000, interval_s=0.01))
        call.next()
        call.cancel()
    wait_until(lambda: totals() - before == 8, "eight more streams are counted")
    assert fleet.homing.metrics().sum("homing_time_to_first_response_seconds_count") > first


def test_picks_are_counted_with_a_reason(fleet):
    before = fleet.homing.metrics().sum("homing_picks_total")
    with fleet.client() as client:
        for number in range(6):
            assert client.predict(f"{number}").ok
    metrics = fleet.homing.metrics()
    assert metrics.sum("homing_picks_total") - before == 6
    assert all(labels.get("reason") for labels, _ in metrics.named("homing_picks_total"))


def test_labels_stay_bounded_whatever_callers_invent(fleet):
    with fleet.client() as client:
        for number in range(200):
            client.call(f"/invented.Service{number}/Method{number}", b"")
    named = fleet.homing.metrics().named("homing_streams_total")
    assert len(named) < 150, f"{len(named)} series"


def test_in_flight_is_seen_while_a_stream_runs(fleet):
    with fleet.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.02))
        home = call.headers()["x-worker"]
        rows = fleet.homing.replicas()
        assert {address: row["in_flight"] for address, row in rows.items()} == {
            worker.address: int(worker.address == home) for worker in fleet.workers
        }
        assert rows[home]["picks"] >= 1
        call.cancel()


def test_the_admin_port_answers_its_four_questions(fleet):
    assert fleet.homing.get("/live")[0] == 200 and fleet.homing.get("/ready")[0] == 200
    assert fleet.homing.get("/no-such-page")[0] == 404
    assert set(fleet.homing.replicas()) == {worker.address for worker in fleet.workers}


def test_every_stream_writes_one_access_log_line_and_no_prompt(own_fleet):
    fleet = own_fleet(2)
    secret = "the-secret-words-of-a-prompt"
    with fleet.client() as client:
        assert client.predict(secret).ok
        assert client.call(PREDICT_STREAM, prompt(secret)).ok
        assert client.call(BIDI, iter([secret.encode()])).ok
        assert client.call(ECHO, b"", script(status="NOT_FOUND", details="x")).code is grpc.StatusCode.NOT_FOUND
        assert client.call(PREDICT, prompt(secret), script(never=True), timeout=0.2).code is (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert client.call(HEALTH, pb.HealthMessage()).ok
        assert client.call("/unknown.Service/Method", b"").code is grpc.StatusCode.UNIMPLEMENTED
    fleet.expect_quiet()
    assert fleet.homing.terminate() == 0
    lines = fleet.homing.access_lines()
    assert len(lines) == 7, "\n".join(lines)
    assert secret not in "\n".join(fleet.homing.stdout + fleet.homing.stderr)

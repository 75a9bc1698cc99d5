"""Health over the native protocol is the program's own answer."""

import grpc

from client import HEALTH, PREDICT, prompt
from processes import wait_until
from stubs import pb


def test_health_is_exactly_ok(fleet):
    with fleet.client() as client:
        answer = client.call(HEALTH, pb.HealthMessage())
        assert answer.ok and answer.reply == pb.Reply(message=b"OK")


def test_health_is_answered_while_every_worker_is_stuck(own_fleet):
    fleet = own_fleet(2)
    before = fleet.count(HEALTH)
    for worker in fleet.workers:
        worker.suspend()
    try:
        with fleet.client() as client:
            for _ in range(100):
                # The deadline is what LocalAI's monitor grants; a forwarded Health would not return at all.
                assert client.call(HEALTH, pb.HealthMessage(), timeout=1).reply.message == b"OK"
    finally:
        for worker in fleet.workers:
            worker.resume()
    # A background probe or two per worker, and not one per question.
    assert fleet.count(HEALTH) - before < 20


def test_a_worker_that_was_stuck_answers_its_calls_late_and_keeps_its_place(own_fleet):
    """Slow is not dead: a probe without an answer must not send the call elsewhere."""
    fleet = own_fleet(1)
    worker = fleet.workers[0]
    worker.suspend()
    try:
        with fleet.client() as client:
            call = client.start(PREDICT, prompt("x"))
            wait_until(lambda: fleet.homing.metrics().sum("homing_streams_active") == 1, "the call is under way")
            worker.resume()
            answer = call.outcome()
            assert answer.ok and answer.worker == worker.address
    finally:
        worker.resume()

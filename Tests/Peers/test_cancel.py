"""A caller that gives up frees the worker at once, whatever the call was doing."""

import grpc
import pytest

from client import BIDI, ECHO, PREDICT, PREDICT_STREAM, Conversation, prompt, script
from processes import wait_until



def expect_one_more_cancelled(fleet, path, before):
    wait_until(lambda: fleet.count(path, "cancelled") == before + 1, f"the worker hears that {path} is cancelled", 2)
    assert fleet.open_calls() == 0


def test_cancelling_a_running_stream_reaches_the_worker(relay):
    before = relay.count(PREDICT_STREAM, "cancelled")
    with relay.client() as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.01))
        call.next()
        call.cancel()
        assert call.outcome().code is grpc.StatusCode.CANCELLED
        expect_one_more_cancelled(relay, PREDICT_STREAM, before)


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_cancelling_a_call_that_has_no_answer_yet_reaches_the_worker(relay, path):
    before, started = relay.count(path, "cancelled"), relay.count(path, "started")
    with relay.client() as client:
        call = client.start(path, prompt("x"), script(never=True))
        wait_until(lambda: relay.count(path, "started") == started + 1, "the worker has the call")
        call.cancel()
        expect_one_more_cancelled(relay, path, before)


def test_cancelling_a_bidirectional_call_reaches_the_worker(relay):
    before = relay.count(BIDI, "cancelled")
    with relay.client() as client:
        conversation = Conversation(client, BIDI)
        conversation.ping(b"x")
        conversation.cancel()
        expect_one_more_cancelled(relay, BIDI, before)


def test_a_callers_connection_that_closes_cancels_its_calls(relay):
    before = relay.count(PREDICT_STREAM, "cancelled")
    client = relay.client()
    calls = [client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.01)) for _ in range(5)]
    for call in calls:
        call.next()
    client.channel.close()
    wait_until(lambda: relay.count(PREDICT_STREAM, "cancelled") == before + 5, "all five are cancelled", 2)


def test_a_deadline_ends_the_call_on_both_sides(relay):
    before = relay.count(PREDICT, "cancelled")
    with relay.client() as client:
        answer = client.predict("x", script(never=True), timeout=0.3)
        assert answer.code is grpc.StatusCode.DEADLINE_EXCEEDED
        expect_one_more_cancelled(relay, PREDICT, before)


def test_a_deadline_in_the_middle_of_a_stream_keeps_what_came(relay):
    before = relay.count(PREDICT_STREAM, "cancelled")
    with relay.client() as client:
        answer = client.call(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.02), timeout=0.5)
        assert answer.code is grpc.StatusCode.DEADLINE_EXCEEDED and answer.replies
        expect_one_more_cancelled(relay, PREDICT_STREAM, before)


def test_cancelling_many_calls_leaves_the_connection_usable(relay):
    with relay.client() as client:
        for _ in range(5):
            calls = [client.start(PREDICT, prompt("x"), script(never=True)) for _ in range(40)]
            for call in calls:
                call.cancel()
            assert client.call(ECHO, b"still here").reply == b"still here"
        wait_until(lambda: relay.open_calls() == 0, "the workers are free", 5)


def test_a_call_that_was_answered_is_not_cancelled_by_its_caller_leaving(relay):
    before, ended = relay.count(PREDICT, "cancelled"), relay.count(PREDICT, "ended")
    for _ in range(20):
        with relay.client() as client:
            assert client.predict("x").ok
    wait_until(lambda: relay.count(PREDICT, "ended") == ended + 20, "twenty calls ended")
    assert relay.count(PREDICT, "cancelled") == before

"""A worker's own failures pass untouched: code, message, details and what came before."""

import base64

import grpc
import pytest

from client import BIDI, COLLECT, PREDICT, PREDICT_STREAM, prompt, script

DETAILS_BIN = b"\x08\x03\x12\x05wrong\x1a\x00\xff\xfe"
FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
def test_a_status_passes_untouched(relay, code):
    with relay.client() as client:
        answer = client.call(PREDICT, prompt("x"), script(status=code.name, details=f"because {code.name}"))
        assert (answer.code, answer.details) == (code, f"because {code.name}")
        assert answer.replies == []


def test_a_status_message_keeps_every_character(relay):
    said = 'Grüße, 你好 %41 % "quoted"\nsecond line\t\x7f'
    with relay.client() as client:
        answer = client.call(PREDICT, prompt("x"), script(status="INVALID_ARGUMENT", details=said))
        assert (answer.code, answer.details) == (grpc.StatusCode.INVALID_ARGUMENT, said)


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_a_trailers_only_error_keeps_its_binary_details(relay, path):
    trailing = [
        ["grpc-status-details-bin", base64.b64encode(DETAILS_BIN).decode()],
        ["x-why", "a"],
        ["x-why", "b"],
    ]
    with relay.client() as client:
        what = script(status="FAILED_PRECONDITION", details="no", messages=0, trailing=trailing)
        answer = client.call(path, prompt("x"), what)
        assert answer.code is grpc.StatusCode.FAILED_PRECONDITION
        assert dict(answer.trailers)["grpc-status-details-bin"] == DETAILS_BIN
        assert [value for key, value in answer.trailers if key == "x-why"] == ["a", "b"]
        # No headers came before the trailers: grpcio's worker sends none when it has nothing to say.
        assert answer.worker == ""


def test_an_error_after_some_messages_does_not_lose_them(relay):
    with relay.client() as client:
        answer = client.call(PREDICT_STREAM, prompt("x"), script(messages=5, status="INTERNAL", details="half way"))
        assert (answer.code, answer.details) == (grpc.StatusCode.INTERNAL, "half way")
        assert len(answer.replies) == 5 and answer.worker


def test_an_error_before_the_caller_has_finished_reaches_it(relay):
    with relay.client() as client:
        endless = iter(lambda: b"x" * 1000, None)
        answer = client.call(COLLECT, limited(endless, 100), script(status="RESOURCE_EXHAUSTED", details="enough"))
        assert (answer.code, answer.details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")


def limited(items, count):
    for _, item in zip(range(count), items):
        yield item


def test_an_error_in_a_bidirectional_call_passes(relay):
    with relay.client() as client:
        answer = client.call(BIDI, iter([b"a", b"b"]), script(status="ABORTED", details="own decision"))
        assert (answer.code, answer.details) == (grpc.StatusCode.ABORTED, "own decision")
        assert answer.replies == [b"a", b"b"]


def test_an_error_of_one_call_leaves_its_neighbours_on_the_connection_alone(relay):
    with relay.client() as client:
        good = [client.start(PREDICT_STREAM, prompt("g"), script(messages=20, interval_s=0.005)) for _ in range(10)]
        bad = [client.start(PREDICT, prompt("b"), script(status="INTERNAL", details="x")) for _ in range(10)]
        assert all(call.outcome().code is grpc.StatusCode.INTERNAL for call in bad)
        assert all(len(call.outcome().replies) == 20 for call in good)

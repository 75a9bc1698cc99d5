"""Metadata passes both ways as it was: values, order, duplicates and binary."""

import base64
import json

import pytest

from client import ECHO_METADATA, PREDICT, PREDICT_STREAM, prompt, script

ALL_BYTES = bytes(range(256))
SENT = [
    ("x-first", "1"),
    ("x-many", "a"),
    ("x-between", "spaces and = ; , signs"),
    ("x-many", "b"),
    ("x-many", "a"),
    ("x-empty", ""),
    ("x-raw-bin", ALL_BYTES),
    ("x-raw-bin", b""),
    ("x-raw-bin", b"\x00\x01"),
]


def as_json(pairs):
    return [[key, base64.b64encode(value).decode() if isinstance(value, bytes) else value] for key, value in pairs]


def chosen(pairs, names):
    return [tuple(pair) for pair in pairs if pair[0] in names]


def test_request_metadata_arrives_with_its_order_and_duplicates(relay):
    with relay.client() as client:
        arrived = json.loads(client.call(ECHO_METADATA, b"", SENT).reply)
        names = {key for key, _ in SENT}
        assert [pair for pair in arrived if pair[0] in names] == as_json(SENT)


def test_the_caller_is_told_apart_by_its_own_user_agent(relay):
    with relay.client([("grpc.primary_user_agent", "peers/7")]) as client:
        arrived = dict(json.loads(client.call(ECHO_METADATA, b"").reply))
        assert arrived["user-agent"].startswith("peers/7 ")


def test_authorization_reaches_the_worker(relay):
    with relay.client() as client:
        arrived = dict(json.loads(client.call(ECHO_METADATA, b"", [("authorization", "Bearer abc")]).reply))
        assert arrived["authorization"] == "Bearer abc"


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_response_headers_and_trailers_come_back_with_order_and_duplicates(relay, path):
    names = {key for key, _ in SENT}
    with relay.client() as client:
        answer = client.call(path, prompt("x"), script(initial=as_json(SENT), trailing=as_json(SENT)))
        assert answer.ok
        assert chosen(answer.headers, names) == SENT
        assert chosen(answer.trailers, names) == SENT


def test_much_metadata_passes(relay):
    # Near 8 KiB, where grpcio starts to refuse metadata itself.

    sent = [(f"x-much-{n:03}", "v" * 50) for n in range(60)]
    with relay.client() as client:
        arrived = json.loads(client.call(ECHO_METADATA, b"", sent).reply)
        assert [tuple(pair) for pair in arrived if pair[0].startswith("x-much-")] == sent


def test_the_worker_is_told_the_callers_deadline(relay):
    with relay.client() as client:
        answer = client.predict("x", timeout=17)
        seen = relay.worker(answer.worker).snapshot()["last"][PREDICT]["time_remaining"]
        # Less than it was, for the way takes time, and much more than any deadline that a proxy would invent.
        assert 10 < seen < 18

"""Every shape of call passes as it does without the program."""

import grpc
import pytest

from client import (
    AUDIO, BIDI, COLLECT, ECHO, ECHO_STREAM, PREDICT, PREDICT_STREAM, Conversation, prompt, script,
)
from stubs import make, pb, text


def test_a_unary_call_is_answered_by_a_worker(relay):
    with relay.client() as client:
        answer = client.predict("hello")
        assert answer.ok and text(answer.reply.message) == answer.worker
        assert answer.worker in [worker.address for worker in relay.workers]
        assert ("x-worker-trailer", answer.worker) in answer.trailers


def test_a_server_stream_keeps_its_messages_and_their_order(relay):
    with relay.client() as client:
        answer = client.call(PREDICT_STREAM, prompt("tell me"), script(messages=200))
        assert answer.ok
        assert [text(reply.message) for reply in answer.replies] == [f"{answer.worker} {n}" for n in range(200)]


def test_a_server_stream_without_messages_ends_ok(relay):
    with relay.client() as client:
        answer = client.call(PREDICT_STREAM, prompt("nothing"), script(messages=0))
        assert answer.ok and answer.replies == []


def test_the_first_message_of_a_stream_does_not_wait_for_the_second(relay):
    with relay.client() as client:
        # The worker's second message is due after the call's patience: only a relay that does not wait passes.
        call = client.start(PREDICT_STREAM, prompt("one"), script(messages=2, interval_s=60))
        assert text(call.next().message).endswith(" 0")
        call.cancel()


def test_a_client_stream_is_counted_whole(relay):
    with relay.client() as client:
        answer = client.call(COLLECT, iter([b"x" * size for size in range(300)]))
        assert b'"messages": 300, "bytes": 44850' in answer.reply


def test_a_client_stream_may_be_empty(relay):
    with relay.client() as client:
        assert b'"messages": 0' in client.call(COLLECT, iter([])).reply


def test_a_bidirectional_call_plays_ping_pong(relay):
    with relay.client() as client:
        conversation = Conversation(client, AUDIO)
        for turn in range(50):
            pcm = bytes([turn]) * (turn * 37)
            request = pb.AudioToAudioRequest()
            request.frame.pcm = pcm
            reply = conversation.ping(request)
            assert reply.pcm == pcm
        conversation.close_half()
        rest = conversation.outcome()
        assert rest.ok and rest.replies == [] and reply.event == rest.worker


def test_an_unknown_service_plays_ping_pong_with_raw_bytes(relay):
    with relay.client() as client:
        conversation = Conversation(client, BIDI)
        for message in (b"", b"\x00", b"\xff" * 5, bytes(range(256)) * 100):
            assert conversation.ping(message) == message
        conversation.close_half()
        assert conversation.outcome().ok


def test_closing_the_callers_half_ends_the_call_and_not_the_answer(relay):
    with relay.client() as client:
        # All requests and the half close arrive at once; the answers come afterwards.
        messages = [bytes([n]) * 1000 for n in range(64)]
        answer = client.call(BIDI, iter(messages), script(delay_s=0.05))
        assert answer.ok and answer.replies == messages


def test_an_unknown_service_is_served_in_the_other_shapes_too(relay):
    with relay.client() as client:
        assert client.call(ECHO, b"raw \x00 bytes").reply == b"raw \x00 bytes"
        assert len(client.call(ECHO_STREAM, b"", script(messages=7)).replies) == 7


@pytest.mark.parametrize("path", ["/no.such.Service/Method", "/backend.Backend/NoSuchMethod"])
def test_a_method_that_no_worker_knows_is_unimplemented(relay, path):
    with relay.client() as client:
        answer = client.call(path, b"")
        assert answer.code is grpc.StatusCode.UNIMPLEMENTED and answer.replies == []


@pytest.mark.parametrize("path", [PREDICT, "/backend.Backend/TokenizeString", "/backend.Backend/Embedding"])
def test_every_field_that_the_program_does_not_know_survives(relay, path):
    with relay.client() as client:
        # Field 2047, which no proto of ours has, must arrive: the worker sees the caller's bytes or nothing.
        unknown = b"\xfa\x7f\x05later"
        request = make(pb.PredictOptions, Prompt="x").SerializeToString() + unknown
        answer = client.call(path, request)
        assert answer.ok
        assert client.call(ECHO, request).reply == request


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_pass(relay, compression):
    with relay.client() as client:
        request = b"compress me " * 10_000
        assert client.call(ECHO, request, compression=compression).reply == request
        assert client.call(PREDICT, prompt(request), compression=compression).ok

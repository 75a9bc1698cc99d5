"""The program's other commands before the same peers: the embedded worker and the small client."""

import json
import subprocess

import grpc
import pytest

from client import HEALTH, LOAD_MODEL, PREDICT, PREDICT_STREAM, Client, prompt
from processes import Process, program
from stubs import make, pb


@pytest.fixture(scope="module")
def embedded():
    """`homing worker`, fast enough not to make the tests wait."""
    speed = ["--prefill-tokens-per-s", "1000000", "--decode-tokens-per-s", "1000000"]
    worker = Process([program(), "worker", "--listen", "127.0.0.1:0", *speed], r"^homing worker grpc=(\S+)$")
    try:
        yield worker.await_ready()[1]
    finally:
        assert worker.terminate() == 0, worker.tail()


@pytest.fixture(scope="module")
def loaded(embedded):
    with Client(embedded) as client:
        answer = client.call(LOAD_MODEL, make(pb.ModelOptions, Model="nest-7b"))
        assert answer.ok and answer.reply.success
    return embedded


def test_the_embedded_worker_says_ok_to_health(embedded):
    with Client(embedded) as client:
        assert client.call(HEALTH, pb.HealthMessage()).reply == pb.Reply(message=b"OK")


def test_the_embedded_worker_answers_grpcio(loaded):
    with Client(loaded) as client:
        answer = client.call(PREDICT, prompt("Where does the bird live? " * 40, Tokens=8))
        assert answer.ok and answer.reply.message
        assert answer.reply.prompt_tokens > 0
        stream = client.call(PREDICT_STREAM, prompt("Where does the bird live? " * 40, Tokens=8))
        assert stream.ok and len(stream.replies) > 1


def test_the_embedded_worker_refuses_what_it_does_not_know(loaded):
    with Client(loaded) as client:
        assert client.call("/no.such.Service/Method", b"").code is grpc.StatusCode.UNIMPLEMENTED
        mismatch = client.call(PREDICT, prompt("x", ModelIdentity="other"))
        assert mismatch.code is grpc.StatusCode.NOT_FOUND and "model identity mismatch" in mismatch.details


def test_the_embedded_worker_refuses_too_much_and_what_it_cannot_unpack(loaded):
    with Client(loaded) as client:
        huge = client.call(PREDICT, prompt(b"x" * (50 * 1024 * 1024 + 1)))
        assert huge.code is grpc.StatusCode.RESOURCE_EXHAUSTED, huge.details
        packed = client.call(PREDICT, prompt("x" * 4096), compression=grpc.Compression.Gzip)
        assert packed.code is grpc.StatusCode.UNIMPLEMENTED and "gzip" in packed.details
        assert client.call(PREDICT, b"\x0a\x7f\x01").code is grpc.StatusCode.INTERNAL
        assert client.predict("still there", Tokens=2).ok


def test_the_embedded_worker_frees_the_slot_of_a_caller_that_leaves():
    """One slot, an answer that would take days: the second caller is served because the first one cancels."""
    arguments = ["--listen", "127.0.0.1:0", "--model", "nest-7b", "--decode-tokens-per-s", "0.000001"]
    worker = Process([program(), "worker", *arguments], r"^homing worker grpc=(\S+)$")
    try:
        with Client(worker.await_ready()[1]) as client:
            first = client.start(PREDICT_STREAM, prompt("for ever", Tokens=2))
            assert first.next().message == b""
            second = client.start(PREDICT, prompt("one word", Tokens=1))
            assert client.call(HEALTH, pb.HealthMessage()).ok
            first.cancel()
            assert second.outcome().ok
            late = client.call(PREDICT_STREAM, prompt("for ever", Tokens=2), timeout=0.2)
            assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        assert worker.terminate() == 0, worker.tail()


def test_the_embedded_worker_asks_every_call_for_its_token(tmp_path):
    token = tmp_path / "token"
    token.write_text("Secret\n")
    arguments = ["--listen", "127.0.0.1:0", "--auth-token-file", token]
    worker = Process([program(), "worker", *arguments], r"^homing worker grpc=(\S+)$")
    try:
        with Client(worker.await_ready()[1]) as client:
            assert client.call(HEALTH, pb.HealthMessage()).code is grpc.StatusCode.UNAUTHENTICATED
            right = [("authorization", "Bearer Secret")]
            assert client.call(HEALTH, pb.HealthMessage(), metadata=right).ok
    finally:
        assert worker.terminate() == 0, worker.tail()


def test_predict_in_json_says_what_homing_explains(fleet):
    text = "Where does the bird live? " * 40
    command = [program(), "predict", "--address", fleet.address, "--json", "--tokens", "3", text]
    first, second = (
        json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
        for _ in range(2)
    )
    assert first["status"] == second["status"] == "OK" and first["text"]
    assert second["replica"] == first["replica"] in [worker.address for worker in fleet.workers]
    assert first["matched_bytes"] == 0 and second["reason"] == "prefix_match" and second["matched_share"] == 1


def test_predict_names_the_status_of_a_call_that_fails(loaded):
    command = [program(), "predict", "--address", loaded, "--model", "other", "-"]
    done = subprocess.run(command, input="x", capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stdout == ""
    assert "NOT_FOUND" in done.stderr and "model identity mismatch" in done.stderr


def test_predict_says_when_there_is_no_homing(loaded):
    command = [program(), "predict", "--address", loaded, "--tokens", "3", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and len(done.stdout.split()) == 3 and "no homing" in done.stderr


def test_predict_prints_the_answer_and_who_gave_it(fleet):
    done = subprocess.run(
        [program(), "predict", "--address", fleet.address, "Where does the bird live?"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert any(worker.address in said for worker in fleet.workers), said


def test_predict_fails_clearly_when_nobody_listens():
    done = subprocess.run(
        [program(), "predict", "--address", "127.0.0.1:1", "x"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 69 and "127.0.0.1:1" in done.stdout + done.stderr


def test_serve_without_replicas_says_what_is_missing():
    done = subprocess.run([program(), "serve"], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "--replica" in done.stdout + done.stderr

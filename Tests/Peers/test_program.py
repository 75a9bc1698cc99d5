"""The program's other commands before the same peers: the embedded worker and the small client."""

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
    assert done.returncode != 0 and "127.0.0.1:1" in done.stdout + done.stderr


def test_serve_without_replicas_says_what_is_missing():
    done = subprocess.run([program(), "serve"], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "--replica" in done.stdout + done.stderr

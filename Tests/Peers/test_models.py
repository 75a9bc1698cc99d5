"""LoadModel, Free and the identity of models, before workers that are as touchy about them as the real ones."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from client import FREE, HEALTH, LOAD_MODEL, PREDICT, PREDICT_STREAM, prompt, script
from processes import wait_until
from stubs import make, pb, text

TOUCHY = ("--requires-model", "--load-delay", "0.2")


def options(model: str = "nest-7b", **fields):
    return make(pb.ModelOptions, Model=model, ModelFile=f"/models/{model}.gguf", **fields)


def load(fleet, model: str = "nest-7b"):
    with fleet.client() as client:
        answer = client.call(LOAD_MODEL, options(model))
        assert answer.ok and answer.reply.success, answer
    assert {worker.snapshot()["model"] for worker in fleet.workers} == {model}


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_before_any_model_a_call_fails_as_the_worker_says_it(own_fleet, path):
    fleet = own_fleet(2, worker_arguments=TOUCHY)
    with fleet.client() as client:
        answer = client.call(path, prompt("x"))
        assert (answer.code, answer.details) == (grpc.StatusCode.FAILED_PRECONDITION, "Model not loaded")
        assert client.call(HEALTH, pb.HealthMessage()).reply.message == b"OK", "LocalAI asks for Health first"


def test_a_hundred_load_models_at_once_load_every_worker_once(own_fleet):
    fleet = own_fleet(3, worker_arguments=TOUCHY)
    start = threading.Barrier(100)

    def one(number: int):
        # Half of them share a connection, half have their own.
        with fleet.client() as client:
            start.wait(30)
            return (shared if number % 2 else client).call(LOAD_MODEL, options())

    with fleet.client() as shared, ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(one, range(100)))
    assert [answer.code for answer in answers] == [grpc.StatusCode.OK] * 100
    assert all(answer.reply.success for answer in answers)
    assert [worker.count(LOAD_MODEL) for worker in fleet.workers] == [1, 1, 1]
    assert fleet.violations() == []
    with fleet.client() as client:
        for number in range(12):
            assert client.predict(f"{number}").ok


def test_the_same_model_is_not_loaded_a_second_time(own_fleet):
    fleet = own_fleet(2, worker_arguments=TOUCHY)
    for _ in range(3):
        load(fleet)
    assert [worker.count(LOAD_MODEL) for worker in fleet.workers] == [1, 1]


def test_a_load_waits_for_the_streams_that_are_open(own_fleet):
    """LoadModel while a call runs kills a real worker."""
    fleet = own_fleet(1, worker_arguments=TOUCHY)
    load(fleet, "first")
    with fleet.client() as client:
        stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=20, interval_s=0.02))
        stream.next()
        second = client.call(LOAD_MODEL, options("second"))
        assert second.ok and second.reply.success
        assert stream.outcome().ok
    assert fleet.violations() == [] and fleet.workers[0].snapshot()["model"] == "second"


def test_a_failed_load_is_told_and_may_be_repeated(own_fleet):
    fleet = own_fleet(2, worker_arguments=TOUCHY)
    with fleet.client() as client:
        answer = client.call(LOAD_MODEL, options("missing"))
        failed = not answer.ok or not answer.reply.success
        said = answer.details if not answer.ok else text(answer.reply.message)
        assert failed and "no file" in said, answer
        assert client.predict("x").code is grpc.StatusCode.FAILED_PRECONDITION
        answer = client.call(LOAD_MODEL, options())
        assert answer.ok and answer.reply.success
        assert client.predict("x").ok


def test_a_restarted_worker_gets_its_model_back_before_any_call(own_fleet):
    fleet = own_fleet(3, "--policy", "round_robin", worker_arguments=TOUCHY)
    load(fleet)
    lost = fleet.workers[1]
    lost.kill()
    with fleet.client() as client:
        for number in range(10):
            answer = client.predict(f"{number}")
            assert answer.ok, f"{answer.code.name}: {answer.details}"
        lost.restart()

        def served_again() -> bool:
            answer = client.predict("again")
            assert answer.ok, f"{answer.code.name}: {answer.details}"
            return answer.worker == lost.address

        wait_until(served_again, "the restarted worker serves again", 15)
    order = lost.snapshot()["order"]
    assert order.count(LOAD_MODEL) == 1 and order.index(LOAD_MODEL) < order.index(PREDICT)
    assert lost.snapshot()["model"] == "nest-7b" and fleet.violations() == []


def test_free_is_answered_and_no_worker_loses_its_model(own_fleet):
    fleet = own_fleet(2, worker_arguments=TOUCHY)
    load(fleet)
    with fleet.client() as client:
        answer = client.call(FREE, pb.HealthMessage())
        assert answer.ok and answer.reply.success
        assert client.predict("x").ok
    assert fleet.count(FREE) == 0


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_another_models_identity_is_a_mismatch(own_fleet, path):
    fleet = own_fleet(2, worker_arguments=TOUCHY)
    load(fleet, "nest-7b")
    with fleet.client() as client:
        answer = client.call(path, prompt("x", ModelIdentity="other-13b"))
        assert answer.code is grpc.StatusCode.NOT_FOUND and "model identity mismatch" in answer.details
        for identity in ("nest-7b", ""):
            assert client.call(path, prompt("x", ModelIdentity=identity)).ok

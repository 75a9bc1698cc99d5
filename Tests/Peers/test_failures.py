"""Workers that die. LocalAI unloads a model on UNAVAILABLE, so the loss of one of several must never look like that."""

import contextlib
import pathlib
import resource

import grpc

from client import ECHO, HEALTH, PREDICT, PREDICT_STREAM, prompt, script
from fleet import launch
from processes import wait_until
from raw import open_socket
from stubs import pb

#: Texts that LocalAI takes for a dead backend, whatever the status says.
FATAL_TEXTS = ("connection refused", "connection reset", "no such host")


def expect_harmless(answer):
    assert answer.code is not grpc.StatusCode.UNAVAILABLE, answer.details
    assert not any(text in answer.details for text in FATAL_TEXTS), answer.details


def test_a_killed_worker_costs_only_the_streams_it_had_begun_to_answer(own_fleet):
    fleet = own_fleet(2, "--policy", "round_robin")
    lost, other = fleet.workers
    with fleet.client() as client:
        began = [client.start(PREDICT_STREAM, prompt("x"), script(messages=600, interval_s=0.05)) for _ in range(10)]
        homes = [call.headers()["x-worker"] for call in began]
        assert homes.count(lost.address) == 5
        # These have sent nothing back yet when the worker dies.
        silent = [client.start(PREDICT, prompt(f"{n}"), script(delay_s=1.5)) for n in range(10)]
        wait_until(lambda: lost.count(PREDICT) == other.count(PREDICT) == 5, "the silent calls are in the workers")
        lost.kill()

        for call, home in zip(began, homes):
            if home == lost.address:
                answer = call.outcome()
                expect_harmless(answer)
                assert answer.code is grpc.StatusCode.ABORTED, f"{answer.code.name}: {answer.details}"
                assert answer.replies, "what had arrived stays"
        for call in silent:
            answer = call.outcome()
            expect_harmless(answer)
            assert answer.ok and answer.worker == other.address, f"{answer.code.name}: {answer.details}"
        for call, home in zip(began, homes):
            if home == other.address:
                call.next()
                call.cancel()
        for number in range(40):
            answer = client.predict(f"after {number}")
            assert answer.ok and answer.worker == other.address, f"{answer.code.name}: {answer.details}"


def test_a_worker_that_answers_again_comes_back_by_itself(own_fleet):
    fleet = own_fleet(2, "--policy", "round_robin")
    lost = fleet.workers[0]
    lost.kill()
    with fleet.client() as client:
        for _ in range(20):
            assert client.call(ECHO, b"x").ok
        lost.restart()
        wait_until(lambda: client.call(ECHO, b"x").worker == lost.address, "the worker serves again", 15)


def test_no_worker_at_all_is_unavailable_until_one_returns(own_fleet):
    fleet = own_fleet(2)
    with fleet.client() as client:
        assert client.predict("x").ok
        for worker in fleet.workers:
            worker.kill()
        answer = wait_until(
            lambda: (got := client.predict("x")).code is grpc.StatusCode.UNAVAILABLE and got, "UNAVAILABLE", 10
        )
        assert answer.details, "says why"
        health = wait_until(
            lambda: not ((got := client.call(HEALTH, pb.HealthMessage())).ok and got.reply.message == b"OK") and got,
            "Health no longer says OK",
        )
        assert not health.ok or health.reply.message != b"OK"
        wait_until(lambda: fleet.homing.get("/ready")[0] != 200, "/ready no longer says 200")
        assert fleet.homing.get("/live")[0] == 200, "the program itself is alive"
        fleet.workers[1].restart()
        wait_until(lambda: client.predict("x").ok, "a worker that returns is used", 15)
        wait_until(lambda: client.call(HEALTH, pb.HealthMessage()).reply.message == b"OK", "Health says OK again")
        wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "/ready says 200 again")


def test_killing_workers_under_load_never_looks_unavailable(own_fleet):
    """Three workers, one after the other killed and restarted while calls go on."""
    fleet = own_fleet(3)
    with fleet.client() as client:
        for victim in fleet.workers[:2]:
            calls = [client.start(PREDICT, prompt(f"{n}"), script(delay_s=0.01 * (n % 20))) for n in range(60)]
            victim.kill()
            calls += [client.start(PREDICT, prompt(f"{n} later")) for n in range(60)]
            for call in calls:
                answer = call.outcome()
                expect_harmless(answer)
                assert answer.code in (grpc.StatusCode.OK, grpc.StatusCode.ABORTED), answer
            victim.restart()
            wait_until(lambda: client.call(ECHO, b"x").worker == victim.address, "the worker serves again", 15)


def test_a_workers_own_unavailable_passes_and_does_not_evict_it(own_fleet):
    fleet = own_fleet(1)
    with fleet.client() as client:
        answer = client.predict("x", script(status="UNAVAILABLE", details="shutting down, says the model"))
        assert (answer.code, answer.details) == (grpc.StatusCode.UNAVAILABLE, "shutting down, says the model")
        assert client.predict("x").ok


def test_a_worker_that_shuts_down_in_order_is_left_in_order(own_fleet):
    """grpcio's SIGTERM sends GOAWAY: what it refused is served elsewhere."""
    fleet = own_fleet(2, "--policy", "round_robin")
    with fleet.client() as client:
        calls = [client.start(PREDICT, prompt(f"{n}"), script(delay_s=0.3)) for n in range(20)]
        fleet.workers[0].terminate()
        for call in calls:
            answer = call.outcome()
            expect_harmless(answer)
        for number in range(20):
            assert client.predict(f"{number}").ok


def test_replicas_that_never_lived_do_not_hinder_the_living():
    fleet = launch(2, "--replica", "127.0.0.1:1", "--policy", "round_robin")
    try:
        with fleet.client() as client:
            for number in range(30):
                answer = client.predict(f"{number}")
                assert answer.ok, f"{answer.code.name}: {answer.details}"
        states = {address: row["state"] for address, row in fleet.homing.replicas().items()}
        assert states["127.0.0.1:1"] not in {states[worker.address] for worker in fleet.workers}, states
    finally:
        fleet.stop()


def test_without_descriptors_callers_wait_and_nobody_is_harmed(own_fleet):
    """The kernel takes connections that the program has no descriptors for; they are served when there are some again."""
    fleet = own_fleet(1)
    with fleet.client() as client, contextlib.ExitStack() as crowd:
        assert client.predict("before").ok
        held = len(list(pathlib.Path(f"/proc/{fleet.homing.pid}/fd").iterdir()))
        _, hard = resource.prlimit(fleet.homing.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(fleet.homing.pid, resource.RLIMIT_NOFILE, (held + 10, hard))
        for _ in range(50):
            crowd.enter_context(open_socket(fleet.address))
        for number in range(10):
            assert client.predict(f"meanwhile {number}").ok
        crowd.close()
        with fleet.client() as late:
            assert late.predict("after").ok

"""What a proxy in front of LocalAI's workers has to be, point by point.

     1  equal prompts stay together, and spill when that is cheaper   test_routing, RoutingTests/ExpectedTTFTTests
     2  a shared system prompt does not pull everything to one worker here
     3  a killed worker costs only the streams it had begun           test_failures, chaos
     4  a worker busy for long, with Health blocked, stays            here
     5  callers that give up at random leave nothing behind           test_stress (scripts/stress 100000 is the long one)
     6  Health says OK at any load exactly when a worker is there     test_health, test_failures, here
     7  a storm of LoadModel is one call for each worker              test_models, UpstreamTests/ModelLifecycleTests
     8  LocalAI's chains and its Select, bit for bit                  RoutingTests/PrefixChainTests, SelectTests
     9  50 MiB both ways under flow control                           test_large
    10  a recycled port with another model is found out               here, ProxyTests/ModelRecoveryTests
"""

import collections
import time

from chaos import LlmWorker
from client import FREE, HEALTH, LOAD_MODEL, PREDICT, PREDICT_STREAM, prompt, script
from processes import Worker, wait_until
from stubs import make, pb

WORDS = "the quick brown fox jumps over the lazy dog and comes home to its nest at night "


def cluster(workers: list[Worker], **settings) -> dict:
    return {
        "listeners": ["127.0.0.1:0"],
        "clusters": [{"name": "main", "replicas": [worker.address for worker in workers], **settings}],
    }


def test_2_conversations_on_one_system_prompt_are_spread_and_stay_home(configured):
    """16 KiB of system prompt, 24 conversations of 4 turns, 4 workers with a prefill that costs something: nobody has more
    than 1.25 times the average, and a turn leaves home only where that was cheaper, which is rare.

    What is learned of prompts that take milliseconds is what the machine makes of them: where other programs hold it up,
    that it was does not say how we route. So one of three fleets has to show it.
    """
    seen = [_conversations_on_one_system_prompt(configured)]
    while seen[-1][0] and len(seen) < 3:
        seen.append(_conversations_on_one_system_prompt(configured))
    assert not seen[-1][0], seen


def _conversations_on_one_system_prompt(configured) -> tuple[bool, collections.Counter, collections.Counter]:
    """Whether it went wrong, with the streams by worker, and turns that left home by turn."""
    # Half a second for the shared prompt: much more than a busy machine adds to a call, which is not what is tested.
    workers = [LlmWorker("--prefill-tokens-per-s", "8000").started() for _ in range(4)]
    fleet = configured(cluster(workers), workers)
    system = (WORDS * 300)[: 16 * 1024]
    so_far = [f"{system} conversation {number} begins: {number} {WORDS}" for number in range(24)]
    homes: dict[int, str] = {}
    streams: collections.Counter = collections.Counter()
    left_home: collections.Counter = collections.Counter()
    with fleet.client() as client:
        for turn in range(4):
            for first in range(0, 24, 8):
                # Eight at a time, so that load is there to be weighed.
                calls = [
                    (
                        number,
                        client.start(
                            PREDICT_STREAM,
                            prompt(so_far[number], Tokens=4, PromptCacheAll=True),
                            [("x-homing-explain", "1")],
                        ),
                    )
                    for number in range(first, first + 8)
                ]
                for number, call in calls:
                    answer = call.outcome()
                    assert answer.ok, f"{answer.code.name}: {answer.details}"
                    replica = answer.header("x-homing-replica")
                    streams[replica] += 1
                    left_home[turn] += replica != homes.setdefault(number, replica)
                    homes[number] = replica
            so_far = [f"{text} turn {turn}: {WORDS * 4}" for text in so_far]
    is_spread = len(streams) == 4 and max(streams.values()) <= 1.25 * sum(streams.values()) / 4
    # By then it has learned what a prompt costs.
    return not is_spread or left_home[2] + left_home[3] > 2, streams, left_home


def test_4_a_worker_whose_event_loop_is_blocked_stays_and_is_not_taken_for_dead(configured):
    """Its Health cannot be answered, its PINGs are: a real single-threaded worker in the middle of a long call."""
    worker = Worker().started()
    settings = {"probe": {"interval_ms": 100, "deadline_ms": 100, "fresh_for_ms": 0}, "stall": {"stall_after_ms": 200}}
    workers = [worker, Worker().started()]
    fleet = configured(cluster(workers, **settings), workers)
    with fleet.client() as client:
        call = client.start(PREDICT, prompt("blocks"), script(block_s=3))
        wait_until(
            lambda: any(row["in_flight"] for row in fleet.homing.replicas().values()), "the call is under way"
        )
        home = next(address for address, row in fleet.homing.replicas().items() if row["in_flight"])
        busy = {"cluster": "main", "replica": home, "outcome": "busy"}
        wait_until(lambda: fleet.homing.metrics().sum("homing_probes_total", **busy) >= 3, "probes found it busy")
        assert fleet.homing.replicas()[home]["state"] == "available"
        began = time.monotonic()
        assert client.call(HEALTH, pb.HealthMessage(), timeout=1).reply.message == b"OK"
        assert time.monotonic() - began < 1
        answer = call.outcome()
        assert answer.ok and answer.worker == home, f"{answer.code.name}: {answer.details}"
        metrics = fleet.homing.metrics()
        assert metrics.sum("homing_evictions_total") == 0 and metrics.sum("homing_retries_total") == 0
        assert metrics.sum("homing_stalls_total") == 0 and metrics.sum("homing_ejections_total") == 0
    assert home in [worker.address for worker in workers]


def test_4b_no_call_waits_for_a_probe_or_causes_one(own_fleet):
    fleet = own_fleet(2)
    before = fleet.count(HEALTH)
    with fleet.client() as client:
        for number in range(300):
            assert client.predict(f"prompt {number}").ok
    assert fleet.count(HEALTH) - before <= 4, "the background's own, one every 15 s"


def test_10_a_recycled_port_with_another_model_is_found_out_and_costs_no_call(configured):
    touchy = ("--requires-model",)
    workers = [Worker(*touchy).started(), Worker(*touchy).started()]
    fleet = configured(cluster(workers, routing={"policy": "round_robin"}), workers)
    with fleet.client() as client:
        load = lambda caller, model: caller.call(LOAD_MODEL, make(pb.ModelOptions, Model=model))
        assert load(client, "nest-7b").reply.success
        lost, other = workers
        lost.kill()
        lost.restart()
        # Somebody else's model is there before the program looks.
        assert load(lost.control, "other-13b").ok
        for number in range(40):
            answer = client.predict(f"prompt {number}", ModelIdentity="nest-7b")
            assert answer.ok and answer.worker == other.address, f"{answer.code.name}: {answer.details}"
            time.sleep(0.02)
        assert lost.snapshot()["model"] == "other-13b", "its model was not taken away"
        assert fleet.homing.replicas()[lost.address]["state"] == "not_loaded"
        # The right one again: nothing has to be told to anybody.
        lost.kill()
        lost.restart()
        wait_until(
            lambda: client.predict("again", ModelIdentity="nest-7b").worker == lost.address, "it serves again", 20
        )
    assert lost.snapshot()["model"] == "nest-7b" and fleet.violations() == []


def test_options_are_remembered_over_a_restart_of_the_program(configured, tmp_path):
    state = tmp_path / "model.state"
    workers = [Worker("--requires-model").started(), Worker("--requires-model").started()]
    settings = cluster(workers, model={"state_file": str(state)}, probe={"retry_ms": 20})
    first = configured(settings, workers)
    with first.client() as client:
        assert client.call(LOAD_MODEL, pb.ModelOptions(Model=b"nest-7b", Options=[b"parallel:3"])).reply.success
    assert state.stat().st_mode & 0o777 == 0o600
    assert first.homing.metrics().sum("homing_replica_slots") == 6
    first.homing.terminate()
    # One worker loses its model while nobody looks, the other one keeps it.
    workers[0].kill()
    workers[0].restart()
    first.workers = []
    second = configured(settings, workers)
    with second.client() as client:
        wait_until(
            lambda: [row["state"] for row in second.homing.replicas().values()] == ["available"] * 2,
            "both serve again",
            15,
        )
        for number in range(10):
            assert client.predict(f"{number}").ok
    assert workers[0].snapshot()["model"] == "nest-7b"
    assert [worker.count(LOAD_MODEL) for worker in workers] == [1, 1], "the one that kept it was not asked to load"
    second.homing.terminate()
    # A damaged file is reported and changes nothing.
    state.write_text("homing model options 1\n12\nnonsense")
    second.workers = []
    third = configured(settings, workers)
    with third.client() as client:
        assert client.predict("x").ok
    assert any("state file ignored" in line for line in third.homing.stderr)


def test_the_only_worker_that_lost_its_model_is_waited_for(own_fleet):
    fleet = own_fleet(1, worker_arguments=("--requires-model", "--load-delay", "0.2"))
    worker = fleet.workers[0]
    with fleet.client() as client:
        assert client.call(LOAD_MODEL, make(pb.ModelOptions, Model="nest-7b")).reply.success
        # Behind the program's back.
        assert worker.control.call(FREE, pb.HealthMessage()).ok
        answer = client.predict("x")
        assert answer.ok, f"{answer.code.name}: {answer.details}"
    assert worker.count(LOAD_MODEL) == 2 and fleet.violations() == []

"""Limits and the queue before them, with grpcio on both sides. Every test ends with nothing waiting and nothing held."""

import concurrent.futures
import json

import grpc
import pytest

from client import BACKEND, ECHO, PREDICT, PREDICT_STREAM, prompt, script
from processes import Worker, wait_until
from stubs import make, pb

EXPLAIN = ("x-homing-explain", "1")
#: Long enough to be there while a test looks, short enough not to matter.
SLOW = {"delay_s": 0.15}


@pytest.fixture
def limited(configured):
    """A fleet whose replicas get one stream at a time."""

    def start(workers: int, policy: str = "least_in_flight", **admission):
        started = [Worker().started() for _ in range(workers)]
        cluster = {
            "name": "c",
            "routing": {"policy": policy},
            "admission": {"max_in_flight": 1, **admission},
            "replicas": [worker.address for worker in started],
        }
        listener = {"listeners": ["127.0.0.1:0"], "clusters": [cluster]}
        return configured(listener, started)

    return start


def clusters(fleet) -> dict:
    return json.loads(fleet.homing.get("/api/clusters")[1])["clusters"][0]


def waiting(fleet) -> int:
    return clusters(fleet)["queue"]["waiting"]


def occupy(fleet, client):
    """One call that stays on its worker, and is being answered."""
    call = client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.05))
    call.next()
    return call


@pytest.mark.parametrize("policy", ["expected_ttft", "prefix_cache", "round_robin"])
def test_with_a_limit_of_one_all_are_answered_and_no_worker_has_two(limited, policy):
    fleet = limited(2, policy)
    with fleet.client() as client, concurrent.futures.ThreadPoolExecutor(12) as pool:
        outcomes = list(
            pool.map(lambda n: client.predict(f"prompt {n}", [EXPLAIN, *script(**SLOW)]), range(12))
        )
    assert all(outcome.ok for outcome in outcomes), {outcome.code for outcome in outcomes}
    for worker in fleet.workers:
        assert worker.count(PREDICT) == 6
    waited = [int(dict(outcome.headers).get("x-homing-wait-ms", 0)) for outcome in outcomes]
    # Six rounds of 150 ms on two workers: the last ones waited for five of them.
    assert sorted(waited)[-1] >= 5 * 150 * 0.9 and waited.count(0) >= 2, waited
    metrics = fleet.homing.metrics()
    assert metrics.sum("homing_queue_wait_seconds_count") == 10
    assert metrics.sum("homing_queue_dispatches_total", cause="replica_free") == 10
    assert metrics.sum("homing_queue_wait_seconds_sum") == pytest.approx(sum(waited) / 1000, abs=0.1)


def test_a_full_queue_says_when_to_ask_again(limited):
    fleet = limited(1, max_waiting=1)
    with fleet.client() as client:
        first = occupy(fleet, client)
        second = client.start(PREDICT, prompt("y"))
        wait_until(lambda: waiting(fleet) == 1, "one waits")
        refused = client.predict("z")
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "queue is full" in refused.details
        told = dict(refused.trailers) | dict(refused.headers)
        assert 50 <= int(told["grpc-retry-pushback-ms"]) <= 60_000
        assert fleet.homing.metrics().sum("homing_queue_refusals_total", cause="queue_full") == 1
        first.cancel()
        assert second.outcome().ok


def test_grpcs_own_retries_keep_to_the_pushback(limited):
    """A client that is told to retry RESOURCE_EXHAUSTED asks again when it was told to, and is answered."""
    fleet = limited(1, max_waiting=1)
    policy = {
        "methodConfig": [{
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5, "initialBackoff": "60s", "maxBackoff": "60s", "backoffMultiplier": 1,
                "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
            },
        }]
    }
    options = [
        ("grpc.service_config", json.dumps(policy)), ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
    ]
    with fleet.client() as client, grpc.insecure_channel(fleet.address, options=options) as patient:
        ask = patient.unary_unary(
            PREDICT, pb.PredictOptions.SerializeToString, BACKEND[PREDICT].response.FromString)
        first = client.start(PREDICT, prompt("x"), script(delay_s=0.4))
        wait_until(lambda: fleet.workers[0].count(PREDICT) == 1, "the worker is busy")
        second = client.start(PREDICT, prompt("y"), script(delay_s=0.4))
        wait_until(lambda: waiting(fleet) == 1, "one waits")
        # Its own back-off is a minute: only the pushback brings it back in time.
        assert ask(prompt("z"), timeout=15) is not None
        assert first.outcome().ok and second.outcome().ok
    assert fleet.homing.metrics().sum("homing_queue_refusals_total", cause="queue_full") >= 1


def test_nobody_waits_for_longer_than_configured(limited):
    fleet = limited(1, max_wait_ms=100)
    with fleet.client() as client:
        first = occupy(fleet, client)
        late = client.predict("y")
        assert late.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "busy for longer" in late.details
        first.cancel()


def test_a_deadline_is_kept_while_waiting(limited):
    fleet = limited(1)
    with fleet.client() as client:
        first = occupy(fleet, client)
        late = client.predict("y", timeout=0.3)
        assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(lambda: waiting(fleet) == 0, "it does not wait any more")
        assert fleet.workers[0].count(PREDICT) == 0, "no worker heard of it"
        first.cancel()


def test_a_deadline_that_cannot_be_met_is_refused_at_once(limited):
    fleet = limited(1)
    with fleet.client() as client:
        # Ten that leave one after the other tell how fast the queue moves.
        calls = [client.start(PREDICT, prompt(f"{n}"), script(delay_s=0.1)) for n in range(30)]
        wait_until(lambda: fleet.workers[0].count(PREDICT, "ended") >= 12, "a dozen is through")
        hopeless = client.predict("y", timeout=0.3)
        assert hopeless.code is grpc.StatusCode.RESOURCE_EXHAUSTED, hopeless
        assert "deadline" in hopeless.details
        assert all(call.outcome().ok for call in calls)


def test_a_call_that_is_cancelled_while_it_waits_is_gone(limited):
    fleet = limited(1)
    with fleet.client() as client:
        first = occupy(fleet, client)
        leavers = [client.start(PREDICT, prompt(f"{n}")) for n in range(5)]
        stays = client.start(PREDICT, prompt("stays"))
        wait_until(lambda: waiting(fleet) == 6, "six wait")
        for call in leavers:
            call.cancel()
        wait_until(lambda: waiting(fleet) == 1, "one waits")
        first.cancel()
        assert stays.outcome().ok
        assert fleet.workers[0].count(PREDICT) == 1


def test_a_worker_that_dies_while_others_wait_for_it(limited):
    fleet = limited(2)
    victim, other = fleet.workers
    with fleet.client() as client:
        calls = [client.start(PREDICT, prompt(f"{n}"), script(**SLOW)) for n in range(12)]
        wait_until(lambda: waiting(fleet) >= 8 and victim.count(PREDICT) > 0, "both work and the rest waits")
        victim.kill()
        outcomes = [call.outcome() for call in calls]
    assert all(outcome.ok for outcome in outcomes), [(o.code, o.details) for o in outcomes if not o.ok]
    assert other.count(PREDICT) >= 10
    wait_until(lambda: waiting(fleet) == 0, "nobody waits")


def test_the_last_worker_that_dies_leaves_nobody_waiting(limited):
    fleet = limited(1)
    with fleet.client() as client:
        first = occupy(fleet, client)
        others = [client.start(PREDICT, prompt(f"{n}")) for n in range(4)]
        wait_until(lambda: waiting(fleet) == 4, "four wait")
        fleet.workers[0].kill()
        assert first.outcome().code is grpc.StatusCode.ABORTED
        codes = [call.outcome().code for call in others]
    # As for calls that arrive: ABORTED from a connection that did not know yet, UNAVAILABLE once it is certain.
    assert set(codes) <= {grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE}, codes
    assert grpc.StatusCode.UNAVAILABLE in codes


def test_callers_take_turns_by_a_header(limited):
    fleet = limited(1, fair_by="x-tenant")
    with fleet.client() as client:
        first = occupy(fleet, client)
        order = []
        loud = [client.start(PREDICT, prompt(f"{n}"), [("x-tenant", "loud"), *script(**SLOW)]) for n in range(10)]
        wait_until(lambda: waiting(fleet) == 10, "ten wait")
        quiet = client.start(PREDICT, prompt("q"), [("x-tenant", "quiet")])
        wait_until(lambda: waiting(fleet) == 11, "eleven wait")
        for number, call in enumerate(loud):
            call.rpc.add_done_callback(lambda _, number=number: order.append(number))
        quiet.rpc.add_done_callback(lambda _: order.append("quiet"))
        first.cancel()
        assert quiet.outcome().ok and all(call.outcome().ok for call in loud)
    wait_until(lambda: len(order) == 11, "all have told")
    assert order.index("quiet") <= 2, order


def test_slots_of_a_loaded_model_are_the_limit(limited):
    fleet = limited(1, max_in_flight="slots")
    with fleet.client() as client:
        options = make(pb.ModelOptions, Model="m")
        options.Options.append(b"parallel:2")
        assert client.call("/backend.Backend/LoadModel", options).ok
        row = next(iter(fleet.homing.replicas().values()))
        assert row["max_in_flight"] == 2
        calls = [client.start(PREDICT, prompt(f"{n}"), script(delay_s=0.3)) for n in range(4)]
        wait_until(lambda: waiting(fleet) == 2, "two wait")
        assert fleet.workers[0].snapshot()["open_calls"] == 2
        assert all(call.outcome().ok for call in calls)


def test_without_a_limit_workers_that_compute_side_by_side_get_all_at_once(own_fleet):
    """Late binding learns that prompts do not stand in line here, and lets go of them."""
    fleet = own_fleet(2)
    with fleet.client() as client, concurrent.futures.ThreadPoolExecutor(40) as pool:
        text = "word " * 3_000

        def ask(number: int) -> float:
            call = client.start(PREDICT_STREAM, prompt(f"{number} {text}"), [EXPLAIN, *script(delay_s=0.2)])
            waited = int(call.headers().get("x-homing-wait-ms", 0))
            assert call.outcome().ok
            return waited

        # A few alone, then bursts.
        for number in range(4):
            ask(number)
        list(pool.map(ask, range(100, 120)))
        later = list(pool.map(ask, range(200, 240)))
    assert sum(later) / len(later) < 100, later


def test_what_is_learned_is_in_sight(own_fleet):
    fleet = own_fleet(2)
    with fleet.client() as client:
        for number in range(12):
            outcome = client.call(PREDICT_STREAM, prompt(f"{number} " * 2_000), [EXPLAIN, *script(delay_s=0.03)])
            assert outcome.ok and int(outcome.header("x-homing-expected-ms")) > 0
    rows = fleet.homing.replicas().values()
    for row in rows:
        estimates = row["estimates"]
        assert estimates["prefill_tokens_per_s"] > 0 and estimates["cache_tokens"] > 0, row
        assert estimates["observations"] > 0 and estimates["observed_ms"] >= 30, row
    metrics = fleet.homing.metrics()
    for name in ("prefill_tokens_per_second", "prompt_overhead_seconds", "cache_tokens",
                 "predicted_ttft_seconds", "observed_ttft_seconds"):
        assert len(metrics.named(f"homing_replica_{name}")) == 2
    assert metrics.sum("homing_replicas_wanted") >= 1
    assert metrics.sum("homing_queue_length") == 0
    assert clusters(fleet)["queue"]["replicas_wanted"] >= 1
    assert all("expected_ms=" in line for line in fleet.homing.access_lines())


def test_the_limit_is_for_every_method_that_takes_a_slot(limited):
    fleet = limited(1)
    with fleet.client() as client:
        first = occupy(fleet, client)
        echo = client.start(ECHO, b"x")
        wait_until(lambda: waiting(fleet) == 1, "an unknown method waits too")
        assert client.call("/backend.Backend/ModelMetadata", pb.ModelOptions()).ok, "one that needs no slot does not"
        first.cancel()
        assert echo.outcome().ok

"""Where calls go: conversations return home, everything else is spread."""

import collections
import random

import pytest

from client import ECHO, PREDICT, PREDICT_STREAM, Client, prompt, script
from stubs import text

EXPLAIN = ("x-homing-explain", "1")
WORDS = "the quick brown fox jumps over the lazy dog and runs home to its nest again "


def conversation(number: int, turns: int) -> list[str]:
    """Prompts of a conversation: each is the one before with about 1 KiB more."""
    prompts, so_far = [], f"system prompt of conversation {number}: " + f"{number} {WORDS}" * 20
    for turn in range(turns):
        so_far += f"\nuser turn {turn} of {number}: " + WORDS * 8
        prompts.append(so_far)
        so_far += f"\nassistant turn {turn}: " + WORDS * 4
    return prompts


@pytest.mark.parametrize("path", [PREDICT, PREDICT_STREAM])
def test_a_conversation_stays_with_the_worker_that_remembers_it(own_fleet, path):
    fleet = own_fleet(3, "--policy", "prefix_cache")
    homes = {}
    with fleet.client() as client:
        conversations = [conversation(number, turns=5) for number in range(10)]
        for turn in range(5):
            # Another order every turn: taking turns would otherwise look like memory.
            order = random.Random(turn).sample(range(10), 10)
            for number in order:
                answer = client.call(path, prompt(conversations[number][turn]))
                assert answer.ok, answer.details
                home = homes.setdefault(number, answer.worker)
                assert answer.worker == home, f"conversation {number} left home at turn {turn}"
    spread = collections.Counter(homes.values())
    assert len(spread) == 3 and max(spread.values()) <= 5, f"conversations per worker: {spread}"


def test_conversations_come_home_from_another_connection_too(fleet):
    prompts = conversation(77, turns=6)
    homes = set()
    for text_so_far in prompts:
        with fleet.client() as client:
            homes.add(client.predict(text_so_far).worker)
    assert len(homes) == 1


def test_round_robin_takes_turns(own_fleet):
    fleet = own_fleet(3, "--policy", "round_robin")
    with fleet.client() as client:
        served = collections.Counter(client.call(ECHO, b"x").worker for _ in range(30))
        same_prompt = collections.Counter(client.predict(WORDS * 50).worker for _ in range(30))
    assert sorted(served.values()) == [10, 10, 10] and sorted(same_prompt.values()) == [10, 10, 10]


def test_least_in_flight_avoids_the_busy_workers(own_fleet):
    fleet = own_fleet(3, "--policy", "least_in_flight")
    with fleet.client() as client:
        busy = [client.start(PREDICT_STREAM, prompt("x"), script(messages=10_000, interval_s=0.05)) for _ in range(2)]
        taken = {call.headers()["x-worker"] for call in busy}
        assert len(taken) == 2
        free = {client.predict(f"{n}").worker for n in range(20)}
        assert free == {worker.address for worker in fleet.workers} - taken
        for call in busy:
            call.cancel()


def test_an_unbalanced_home_does_not_hold_back_a_burst(own_fleet):
    """A burst of one prompt spills over to the others, for a warm cache is not worth any queue."""
    fleet = own_fleet(3, "--policy", "prefix_cache")
    with fleet.client() as client:
        same = WORDS * 60
        assert client.predict(same).ok
        slow = script(messages=10_000, interval_s=0.05)
        calls = [client.start(PREDICT_STREAM, prompt(same), slow) for _ in range(30)]
        served = collections.Counter(call.headers()["x-worker"] for call in calls)
        for call in calls:
            call.cancel()
        assert len(served) == 3, f"streams per worker: {served}"


def test_an_explained_answer_names_the_worker_that_served_and_why(fleet):
    with fleet.client() as client:
        prompts = conversation(5, turns=3)
        reasons = []
        for text_so_far in prompts:
            answer = client.predict(text_so_far, [EXPLAIN])
            assert text(answer.header("x-homing-replica")) == answer.worker
            reasons.append(text(answer.header("x-homing-reason")))
        assert all(reasons) and reasons[0] != reasons[1], f"cold first, then warm: {reasons}"


def test_nobody_is_told_unasked(fleet):
    with fleet.client() as client:
        answer = client.predict("x")
        told = [key for key, _ in answer.headers + answer.trailers if key.startswith("x-homing")]
        assert answer.ok and told == []


def test_an_explained_stream_says_so_before_its_first_message(fleet):
    with fleet.client() as client:
        what = [EXPLAIN, *script(messages=2, interval_s=60)]
        call = client.start(PREDICT_STREAM, prompt("x"), what)
        headers = call.headers()
        assert headers["x-homing-replica"] == headers["x-worker"]
        call.cancel()


def test_two_listeners_lead_to_the_same_replicas(own_fleet):
    fleet = own_fleet(2, "--listen", "127.0.0.1:0")
    assert len(fleet.homing.addresses) == 2
    for address in fleet.homing.addresses:
        with Client(address) as client:
            assert client.predict("x").ok

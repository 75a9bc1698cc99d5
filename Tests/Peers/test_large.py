"""Messages far past every window and buffer, both ways."""

import contextlib
import hashlib

import pytest

from client import BIDI, ECHO, PREDICT, PREDICT_STREAM, prompt, script

MIB = 1024 * 1024


def patterned(size: int) -> bytes:
    """Bytes in which a lost, doubled or moved piece shows."""
    block = hashlib.sha256(b"seed").digest() * 2048
    return b"".join(hashlib.sha256(n.to_bytes(8, "big")).digest() + block[32:] for n in range(-(-size // len(block))))[
        :size
    ]


@pytest.mark.parametrize("size", [5 * MIB, 64 * MIB])
def test_a_large_message_passes_both_ways(relay, size):
    with relay.client() as client:
        message = patterned(size)
        answer = client.call(ECHO, message, timeout=60)
        assert answer.ok, answer.details
        assert answer.reply == message


@pytest.mark.parametrize("size", [5 * MIB, 64 * MIB])
def test_a_large_prompt_reaches_the_worker_and_a_large_reply_the_caller(relay, size):
    with relay.client() as client:
        answer = client.call(PREDICT_STREAM, prompt(patterned(size)), script(messages=1, reply_bytes=size), 60)
        assert answer.ok, answer.details
        assert answer.replies[0].ByteSize() >= size


def test_every_size_around_a_frame_and_a_window_passes(relay):
    with relay.client() as client:
        for edge in (0, 16_379, 16_384, 65_530, 65_535, 131_072):
            for size in range(max(0, edge - 2), edge + 8):
                message = patterned(size)
                assert client.call(ECHO, message).reply == message, f"{size} bytes"


def test_large_messages_of_a_bidirectional_call_cross_each_other(relay):
    with relay.client() as client:
        messages = [patterned(MIB + n) for n in range(8)]
        answer = client.call(BIDI, iter(messages), timeout=60)
        assert answer.ok and answer.replies == messages


def test_a_caller_that_reads_slowly_holds_back_the_worker_and_nobody_else(relay):
    """Flow control end to end: what is not read is not collected in between."""
    with relay.client() as slow, relay.client() as other:
        call = slow.start(PREDICT_STREAM, prompt("x"), script(messages=64, reply_bytes=MIB), 60)
        first = call.next()
        assert first.ByteSize() >= MIB
        assert other.predict("y").ok
        if relay.homing:
            buffered = sum(value for _, value in relay.homing.metrics().named("homing_buffered_bytes"))
            assert buffered <= 8 * MIB, "the rest of the 64 MiB waits in the worker, not in the program"
        rest = call.outcome()
        assert rest.ok and len(rest.replies) == 63


def memory(fleet, what: str) -> int:
    """Bytes of the program that are in RAM (`VmRSS`), or the most there have been (`VmHWM`)."""
    with open(f"/proc/{fleet.homing.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))


@contextlib.contextmanager
def grows_at_most(fleet, limit: int):
    """Fails when the program needed more than `limit` bytes beyond what it has at the beginning."""
    before = memory(fleet, "VmRSS")
    with open(f"/proc/{fleet.homing.pid}/clear_refs", "w") as peak:
        peak.write("5")  # The peak begins again from here.
    yield
    grown = memory(fleet, "VmHWM") - before
    print(f"grew by {grown / MIB:.1f} MiB")
    assert grown < limit, f"{grown / MIB:.1f} MiB more than before"


#: What a stream may cost: the request bytes that are kept for a retry (max_held_bytes, 4 MiB) and a window on each leg;
#: the rest is what buffers of this size leave behind in an allocator.
ONE_STREAM = 16 * MIB


def test_64_mib_both_ways_cost_windows_and_not_messages(own_fleet):
    fleet = own_fleet(2, "--threads", "1")
    size = 64 * MIB
    message = patterned(size)
    with fleet.client() as client:
        assert client.call(ECHO, patterned(5 * MIB), timeout=60).ok, "buffers have their usual size"
        with grows_at_most(fleet, ONE_STREAM):
            answer = client.call(ECHO, message, timeout=120)
            assert answer.ok and answer.reply == message, answer.details
        with grows_at_most(fleet, ONE_STREAM):
            answer = client.call(PREDICT, prompt(message), script(reply_bytes=size), 120)
            assert answer.ok and answer.reply.ByteSize() >= size, answer.details
        with grows_at_most(fleet, ONE_STREAM):
            answer = client.call(PREDICT_STREAM, prompt(message), script(messages=3, reply_bytes=size), 120)
            assert answer.ok and all(reply.ByteSize() >= size for reply in answer.replies), answer.details
            assert len(answer.replies) == 3
        with grows_at_most(fleet, ONE_STREAM):
            answer = client.call(BIDI, iter([message, message]), timeout=120)
            assert answer.ok and answer.replies == [message, message], answer.details

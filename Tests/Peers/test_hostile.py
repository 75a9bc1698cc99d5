"""Hostile callers: each attack runs against a program that an honest caller keeps measuring.

The attackers are bounded and talk to loopback only. What is promised: the program stays up, the attack is counted, its
memory comes back, and the honest caller hardly notices.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from attack import KINDS
from client import BIDI, PREDICT, Conversation, prompt, script
from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MESSAGE,
    PING,
    PREFACE,
    USUAL,
    Peer,
    frame,
    priority,
    rst,
    settings,
    window_update,
)
from processes import wait_until
from raw import open_socket

SETTINGS = """
listeners: [127.0.0.1:0]
proxy:
  max_connections: 120
  handshake_timeout_ms: 1500
  idle_timeout_ms: 60000
  stalled_reader_timeout_ms: 1500
  max_held_bytes: 1000000
  max_total_held_bytes: 2000000
"""


class Honest:
    """The honest caller's process."""

    def __init__(self, address: str, least: int = 50):
        path = pathlib.Path(__file__).with_name("honest.py")
        self.process = subprocess.Popen(
            [sys.executable, path, address, str(least)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline().strip() == "honest calls"

    def result(self) -> dict:
        out, _ = self.process.communicate("", timeout=60)
        return json.loads(out)


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def resident(fleet) -> int:
    """Kilobytes of the program's memory that are in RAM."""
    with open(f"/proc/{fleet.homing.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def defences(fleet, kind: str) -> float:
    return fleet.homing.metrics().sum("homing_defences_total", kind=kind)


@pytest.fixture(scope="module")
def fortress(tmp_path_factory):
    """One program for all attacks, and what an honest caller measures when nobody attacks."""
    from fleet import launch

    path = tmp_path_factory.mktemp("hostile") / "homing.yaml"
    path.write_text(SETTINGS)
    fleet = launch(2, "-c", str(path), "--threads", "2")
    try:
        honest = Honest(fleet.address, 1_000)
        fleet.quiet_p99 = p99(honest.result()["took"])
        yield fleet
        fleet.expect_quiet()
    finally:
        fleet.stop()


@pytest.fixture
def attacked(fortress):
    """The program with an honest caller on it, who must not have noticed at the end."""
    before = resident(fortress)
    honest = Honest(fortress.address)
    yield fortress
    result = honest.result()
    assert fortress.homing.is_running, fortress.homing.tail()
    assert not result["failures"], result["failures"][:5]
    # So few calls have no p99 worth the name; that of a long attack is looked at below.
    assert max(result["took"]) < 2.0, "no honest call waits for an attack"
    fortress.expect_quiet()
    wait_until(lambda: resident(fortress) < before + 40_000, f"memory is back at {before} kB")


def flood(peer: Peer, piece: bytes, times: int):
    """Sends `piece` up to `times` times, or until the connection ends."""
    chunk = max(1, 60_000 // len(piece))
    for _ in range(0, times, chunk):
        peer.send(piece * chunk)
        peer.turn(0)
        if peer.is_closed:
            return


def expect_end(peer: Peer):
    """The connection ends, and its GOAWAY comes although the peer still sent when it was said."""
    while not peer.is_closed:
        peer.turn(10)
    goaway = peer.goaway()
    assert goaway is not None and goaway.code == "ENHANCE_YOUR_CALM", peer.story()


# MARK: - Floods

FLOODS = {
    "continuation_flood": lambda peer: frame(CONTINUATION, 0, 1, b""),
    "settings_flood": lambda peer: settings((INITIAL_WINDOW_SIZE, 65_535)),
    "ping_flood": lambda peer: frame(PING, 0, 0, b"12345678"),
    "empty_frames": lambda peer: frame(DATA, 0, 1, b""),
    "control_flood": lambda peer: priority(1, 0),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_its_own_connection(attacked, kind):
    before = defences(attacked, kind)
    for _ in range(3):
        with Peer(attacked.address) as peer:
            flags = 0 if kind == "continuation_flood" else END_HEADERS
            peer.send(peer.request(1, flags=flags))
            flood(peer, FLOODS[kind](peer), 200_000)
            expect_end(peer)
    assert defences(attacked, kind) == before + 3


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_attack_that_goes_on_and_on_is_hardly_noticed(fortress, kind):
    """The attacker comes back as soon as it is sent away, for as long as the honest caller makes its calls.

    The limit is 3 × the quiet p99, which holds on a machine of one's own: HOMING_STRICT_TIMES=1 asks for it. Elsewhere
    other work decides about such a figure, and the promise is that every honest call is served without a stall."""
    before, memory = defences(fortress, kind), resident(fortress)
    path = pathlib.Path(__file__).with_name("attack.py")
    attacker = subprocess.Popen(
        [sys.executable, path, fortress.address, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert attacker.stdout.readline().strip() == "attacking"
        result = Honest(fortress.address, 1_000).result()
    finally:
        times = int(attacker.communicate("", timeout=30)[0])
    assert fortress.homing.is_running, fortress.homing.tail()
    assert not result["failures"], result["failures"][:5]
    measured, quiet = p99(result["took"]), fortress.quiet_p99
    print(f"{kind}: {times} attacks, honest p99 {measured * 1e3:.1f} ms, quiet {quiet * 1e3:.1f} ms")
    assert measured < (3 * quiet if os.environ.get("HOMING_STRICT_TIMES") else 2.0), f"p99 {measured:.4f}, {quiet:.4f}"
    assert defences(fortress, kind) == before + times
    fortress.expect_quiet()
    wait_until(lambda: resident(fortress) < memory + 40_000, f"memory is back at {memory} kB")


@pytest.mark.parametrize("piece", [window_update(0, 1), window_update(1, 1), frame(0x77, 0, 0, b"x")])
def test_other_frames_without_content_end_their_connection_too(attacked, piece):
    before = defences(attacked, "control_flood")
    with Peer(attacked.address) as peer:
        peer.open(1)
        flood(peer, piece, 200_000)
        expect_end(peer)
    assert defences(attacked, "control_flood") == before + 1


def test_pings_whose_answers_nobody_reads_cost_no_memory(attacked):
    before = resident(attacked)
    with Peer(attacked.address) as peer:
        for _ in range(200):
            peer.send(frame(PING, 0, 0, b"12345678") * 1_000)
        assert resident(attacked) < before + 20_000


def test_rapid_resets_end_their_own_connection(attacked):
    """CVE-2023-44487."""
    before = defences(attacked, "rapid_reset")
    for _ in range(3):
        with Peer(attacked.address) as peer:
            for stream in range(1, 40_001, 2):
                peer.send(peer.request(stream) + rst(stream))
                if stream % 1_000 == 1:
                    peer.turn(0)
                if peer.is_closed:
                    break
            expect_end(peer)
    assert defences(attacked, "rapid_reset") == before + 3
    attacked.homing.metrics()


def test_a_caller_that_cancels_much_but_not_madly_is_served(attacked):
    with Peer(attacked.address) as peer:
        for stream in range(1, 801, 2):
            peer.send(peer.request(stream) + frame(DATA, END_STREAM, stream, MESSAGE) + rst(stream))
        peer.alive()
        peer.call(801)
        assert peer.served(801) == "0"


def test_pings_of_a_caller_that_measures_its_bandwidth_are_answered(attacked):
    """gRPC clients ping while answers come; those pings have a reason and are never too many."""
    with Peer(attacked.address) as peer:
        for stream in range(1, 3_001, 2):
            peer.send(frame(PING, 0, 0, b"measure!"))
            peer.call(stream)
            assert peer.served(stream) == "0"
        peer.alive()


# MARK: - Headers


def test_an_hpack_bomb_is_answered_and_the_connection_kept(attacked):
    """One entry of 4,000 bytes, then 12,000 references to it: 48 MB of headers in 16 kB."""
    before = defences(attacked, "headers_too_large")
    with Peer(attacked.address) as peer:
        peer.call(1)
        assert peer.served(1) == "0"
        usual = peer.encoder.encode(USUAL)
        bomb = usual + b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4_000 + b"\xbe" * 12_000
        for stream in range(3, 43, 2):
            peer.send(frame(HEADERS, END_HEADERS, stream, bomb[:16_000]) if stream == 3 else b"")
            if stream == 3:
                assert peer.served(stream) == "8"
            else:
                peer.send(frame(HEADERS, END_HEADERS, stream, b"\xbe" * 16_000))
                peer.wait(lambda: peer.has_ended(stream), "the stream ends")
        peer.alive()
    assert defences(attacked, "headers_too_large") >= before + 1


def with_value(peer: Peer, stream: int, size: int) -> bytes:
    """A request with one header value of `size` bytes on the wire, in as many frames as it takes."""
    block = peer.encoder.encode(USUAL) + peer.encoder.encode([("x-large", "v" * size)], huffman=False)
    pieces = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
    frames = []
    for position, piece in enumerate(pieces):
        flags = END_HEADERS if position == len(pieces) - 1 else 0
        frames.append(frame(CONTINUATION if position else HEADERS, flags, stream, piece))
    return b"".join(frames)


def test_the_longest_header_value_is_answered_and_the_connection_kept(attacked):
    before = defences(attacked, "headers_too_large")
    with Peer(attacked.address) as peer:
        peer.send(with_value(peer, 1, 65_536))
        assert peer.served(1) == "8"
        peer.alive()
        # The dynamic table is as both sides think it is.
        peer.call(3)
        assert peer.served(3) == "0"
    assert defences(attacked, "headers_too_large") == before + 1


@pytest.mark.parametrize("size", [65_537, 200_000])
def test_a_header_value_past_the_decoders_bound_costs_its_connection_and_says_so(attacked, size):
    """nghttp2's HPACK decoder takes no longer string, and what it did not decode it can never find its way back from."""
    before = attacked.homing.metrics().sum("homing_protocol_errors_total")
    with Peer(attacked.address) as peer:
        peer.send(with_value(peer, 1, size))
        peer.expect_connection_error("COMPRESSION_ERROR")
    assert attacked.homing.metrics().sum("homing_protocol_errors_total") == before + 1


def test_malformed_requests_are_counted(attacked):
    before = defences(attacked, "malformed_request")
    with Peer(attacked.address) as peer:
        for stream in range(1, 101, 2):
            peer.send(peer.request(stream, [*USUAL, ("connection", "close")]))
        peer.wait(lambda: peer.reset(99) is not None, "the last one is reset")
    assert defences(attacked, "malformed_request") == before + 50


# MARK: - Slow and silent callers


@pytest.mark.parametrize("said", [b"", PREFACE[:10], PREFACE, PREFACE + settings()[:5]])
def test_a_caller_that_does_not_begin_is_closed(attacked, said):
    before = defences(attacked, "slow_caller")
    sockets = [open_socket(attacked.address) for _ in range(30)]
    for connection in sockets:
        connection.sendall(said)
    for connection in sockets:
        while connection.recv(4_096):
            pass
        connection.close()
    assert defences(attacked, "slow_caller") == before + 30


SLOW = {
    "a header list that never ends": lambda peer: peer.request(1, flags=0),
    "a frame header that never ends": lambda peer: frame(HEADERS, END_HEADERS, 1, b"x" * 50)[:7],
    "a HEADERS payload that never ends": lambda peer: peer.request(1)[:-5],
    "a PING that never ends": lambda peer: frame(PING, 0, 0, b"12345678")[:12],
}


@pytest.mark.parametrize("name", SLOW)
def test_a_frame_that_was_begun_must_end(attacked, name):
    before = defences(attacked, "slow_caller")
    with Peer(attacked.address) as peer:
        peer.send(SLOW[name](peer))
        peer.expect_connection_error("NO_ERROR")
    assert defences(attacked, "slow_caller") == before + 1


def test_a_data_frame_may_take_its_time(attacked):
    """An upload that pauses in the middle of a frame is a slow network, not an attack."""
    with Peer(attacked.address) as peer:
        whole = peer.request(1) + frame(DATA, END_STREAM, 1, MESSAGE)
        peer.send(whole[:-3])
        before = defences(attacked, "slow_caller")
        with Peer(attacked.address) as other:
            other.send(other.request(1, flags=0))
            other.expect_connection_error("NO_ERROR")
        assert defences(attacked, "slow_caller") == before + 1, "only the other one was too slow"
        peer.send(whole[-3:])
        assert peer.served(1) == "0"


def test_above_the_limit_the_longest_idle_connection_goes_first(attacked):
    """120 connections are allowed, 60 on each of the two threads."""
    with attacked.client() as client:
        busy = Conversation(client, BIDI)
        assert busy.ping(b"before") == b"before"
        before = defences(attacked, "idle_connection_closed")
        peers = []
        for _ in range(300):
            peers.append(Peer(attacked.address))
        assert attacked.homing.metrics().sum("homing_downstream_connections") <= 125
        assert defences(attacked, "idle_connection_closed") >= before + 170
        assert busy.ping(b"between") == b"between", "a connection with a stream is not idle"
        newest = peers[-1]
        newest.call()
        assert newest.served(1) == "0"
        oldest = peers[0]
        oldest.expect_connection_error("NO_ERROR")
        for peer in peers:
            peer.socket.close()
        busy.close_half()
        assert busy.outcome().ok


# MARK: - Memory


def test_callers_that_do_not_read_cost_their_windows_and_are_let_go(attacked):
    """Twenty calls for 8 MB each with a window of nothing."""
    before, reset = resident(attacked), defences(attacked, "stalled_reader")
    fields = [*USUAL, ("x-script", '{"messages": 8, "reply_bytes": 1000000}')]
    fields[2] = (":path", "/backend.Backend/PredictStream")
    with Peer(attacked.address, entries=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        for stream in range(1, 41, 2):
            peer.send(peer.request(stream, fields) + frame(DATA, END_STREAM, stream, MESSAGE))
        peer.wait(lambda: all(peer.field(s, ":status") for s in range(1, 41, 2)), "every answer has begun")
        buffered = attacked.homing.metrics().sum("homing_buffered_bytes")
        assert buffered < 20 * 600_000, f"{buffered} bytes"
        assert resident(attacked) < before + 60_000
        peer.wait(lambda: all(peer.reset(s) for s in range(1, 41, 2)), "every stream is let go")
        assert {peer.reset(s).code for s in range(1, 41, 2)} == {"CANCEL"}
    assert defences(attacked, "stalled_reader") == reset + 20


def test_all_held_requests_together_are_bounded(attacked):
    """Each of these waits for the end of a message of 900 kB; two megabytes are held at most, the rest goes on."""
    before = defences(attacked, "held_bytes")
    with Peer(attacked.address) as peer:
        begun = b"\x00" + (900_000).to_bytes(4, "big")
        window = 65_535 - 5
        for stream in range(1, 121, 2):
            peer.send(peer.request(stream) + frame(DATA, 0, stream, begun))
            for _ in range(4):
                peer.send(frame(DATA, 0, stream, b"x" * 16_000))
            peer.turn(0)
        peer.alive()
        held = attacked.homing.metrics().sum("homing_held_bytes")
        assert held <= 2_000_000 + window, held
        assert defences(attacked, "held_bytes") > before

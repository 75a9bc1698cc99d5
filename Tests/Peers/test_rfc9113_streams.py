"""RFC 9113 §5: what a stream is, which frames it takes in which state, and which identifiers there are."""

import pytest

from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    MESSAGE,
    PRIORITY_FLAG,
    RST_STREAM,
    SETTINGS,
    USUAL,
    Peer,
    frame,
    priority,
    rst,
    window_update,
)

NEVER = [*USUAL, ("x-script", '{"never": true}')]

# MARK: - §5.1 States

IDLE = {
    "DATA": frame(DATA, END_STREAM, 1, MESSAGE),
    "RST_STREAM": rst(1),
    "WINDOW_UPDATE": window_update(1, 100),
    "CONTINUATION": frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
}


@pytest.mark.parametrize("name", IDLE)
def test_an_idle_stream_takes_only_headers_and_priority(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(IDLE[name])
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_priority_of_an_idle_stream_is_taken(fleet):
    with Peer(fleet.address) as peer:
        peer.send(priority(1, 0) + priority(7, 5))
        peer.call(1)
        assert peer.served(1) == "0"


HALF_CLOSED = {
    "DATA": lambda peer: frame(DATA, END_STREAM, 1, b"x"),
    "empty DATA": lambda peer: frame(DATA, 0, 1, b""),
    "HEADERS": lambda peer: peer.request(1),
    "trailers": lambda peer: peer.request(1, [("x-late", "1")], flags=END_HEADERS | END_STREAM),
}


@pytest.mark.parametrize("name", HALF_CLOSED)
def test_nothing_follows_the_end_of_a_request(fleet, name):
    """Half-closed (remote): the answer is still under way."""
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, NEVER) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.alive()
        peer.send(HALF_CLOSED[name](peer))
        peer.expect_stream_error(1, "STREAM_CLOSED")


def test_a_half_closed_stream_takes_window_updates_priority_and_a_reset(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, NEVER) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.send(window_update(1, 10) + priority(1, 0))
        peer.alive()
        peer.send(rst(1))
        peer.alive()


AFTER_RESET = {
    "DATA": lambda peer: frame(DATA, END_STREAM, 1, b"x"),
    "HEADERS": lambda peer: peer.request(1),
}


@pytest.mark.parametrize("name", AFTER_RESET)
def test_nothing_follows_a_callers_own_reset(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + rst(1))
        peer.alive()
        peer.send(AFTER_RESET[name](peer))
        peer.expect_stream_error(1, "STREAM_CLOSED")


@pytest.mark.parametrize("name", AFTER_RESET)
def test_nothing_follows_a_callers_own_reset_in_the_same_packet(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + rst(1) + AFTER_RESET[name](peer))
        peer.expect_stream_error(1, "STREAM_CLOSED")


@pytest.mark.parametrize("name", AFTER_RESET)
def test_nothing_follows_a_call_that_is_over(fleet, name):
    with Peer(fleet.address) as peer:
        peer.call(1)
        assert peer.served(1) == "0"
        peer.send(AFTER_RESET[name](peer))
        peer.expect_stream_error(1, "STREAM_CLOSED")


def test_a_continuation_after_a_call_that_is_over_ends_the_connection(fleet):
    with Peer(fleet.address) as peer:
        peer.call(1)
        assert peer.served(1) == "0"
        peer.send(frame(CONTINUATION, END_HEADERS, 1, b"\x82"))
        peer.expect_connection_error("PROTOCOL_ERROR", "STREAM_CLOSED")


def test_a_closed_stream_takes_window_updates_priority_and_a_reset(fleet):
    """They may have been under way when the stream closed."""
    with Peer(fleet.address) as peer:
        peer.call(1)
        assert peer.served(1) == "0"
        peer.send(window_update(1, 10) + priority(1, 0) + rst(1))
        peer.alive()


def test_what_was_under_way_when_the_program_ended_the_stream_is_ignored(fleet):
    """The caller has not heard of the reset yet: DATA and trailers are no error, and the next call is served."""
    with Peer(fleet.address) as peer:
        peer.open(1, [(name, "PUT" if name == ":method" else value) for name, value in USUAL])
        peer.wait(lambda: peer.has_ended(1), "405 is answered")
        assert peer.field(1, ":status") == "405"
        peer.send(frame(DATA, 0, 1, b"x" * 10_000) + peer.request(1, [("x-late", "1")], END_HEADERS | END_STREAM))
        peer.alive()
        peer.call(3)
        assert peer.served(3) == "0"


def test_data_that_nobody_wants_gives_its_window_back(fleet):
    """Otherwise a few refused uploads would choke the whole connection."""
    with Peer(fleet.address) as peer:
        for stream in range(1, 401, 2):
            fields = [(name, "PUT" if name == ":method" else value) for name, value in USUAL]
            peer.send(peer.request(stream, fields) + frame(DATA, END_STREAM, stream, b"x" * 16_000) * 1)
            peer.wait(lambda: peer.has_ended(stream), "405 is answered")
        given = sum(
            int.from_bytes(f.payload, "big") for f in peer.frames if f.kind == 8 and f.stream == 0
        )
        assert given > 200 * 16_000 - 4 * 1024 * 1024
        peer.call(401)
        assert peer.served(401) == "0"


# MARK: - §5.1.1 Identifiers


@pytest.mark.parametrize("stream", [2, 4, 0x7FFF_FFFE])
def test_a_caller_may_not_open_an_even_stream(fleet, stream):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(stream))
        peer.expect_connection_error("PROTOCOL_ERROR")


@pytest.mark.parametrize("order", [(5, 3), (3, 1), (101, 99), (7, 5, 9, 3)])
def test_identifiers_only_grow(fleet, order):
    with Peer(fleet.address) as peer:
        for stream in order:
            peer.send(peer.request(stream))
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_identifiers_may_be_left_out(fleet):
    with Peer(fleet.address) as peer:
        for stream in (1, 9, 1_001, 0x7FFF_FFFD):
            peer.call(stream)
            assert peer.served(stream) == "0"


def test_a_stream_that_was_left_out_cannot_be_used_later(fleet):
    with Peer(fleet.address) as peer:
        peer.call(5)
        assert peer.served(5) == "0"
        peer.send(frame(DATA, END_STREAM, 3, b"x"))
        peer.expect_connection_error("PROTOCOL_ERROR", "STREAM_CLOSED")


# MARK: - §5.1.2 Concurrency


def limit_of(peer: Peer) -> int:
    first = next(f for f in peer.frames if f.kind == SETTINGS and not f.flags)
    entries = [first.payload[start : start + 6] for start in range(0, len(first.payload), 6)]
    values = {int.from_bytes(entry[:2], "big"): int.from_bytes(entry[2:], "big") for entry in entries}
    return values[MAX_CONCURRENT_STREAMS]


def test_a_stream_above_the_limit_is_refused_and_the_others_go_on(fleet):
    with Peer(fleet.address) as peer:
        limit = limit_of(peer)
        streams = range(1, 2 * limit + 21, 2)
        # No body: nothing of these is in a worker yet.
        for stream in streams:
            peer.send(peer.request(stream))
        peer.alive()
        refused = {f.stream for f in peer.frames if f.kind == RST_STREAM and f.code == "REFUSED_STREAM"}
        assert refused == set(list(streams)[limit:]), sorted(refused)[:10]
        for stream in list(streams)[:3]:
            peer.send(frame(DATA, END_STREAM, stream, MESSAGE))
            assert peer.served(stream) == "0"
        after = streams[-1] + 2
        peer.call(after)
        assert peer.served(after) == "0", "room again"


# MARK: - §5.3 Priority


def test_priority_in_headers_is_taken_and_ignored(fleet):
    with Peer(fleet.address) as peer:
        block = b"\x00\x00\x00\x00\x0f" + peer.encoder.encode(USUAL)
        peer.send(frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 1, block) + frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"


def test_headers_that_depend_on_their_own_stream_are_refused(fleet):
    with Peer(fleet.address) as peer:
        block = b"\x00\x00\x00\x01\x0f" + peer.encoder.encode(USUAL)
        peer.send(frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 1, block))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_a_priority_that_depends_on_its_own_stream_is_refused(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + priority(1, 1))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_a_priority_that_names_itself_on_an_idle_stream_is_refused(fleet):
    with Peer(fleet.address) as peer:
        peer.send(priority(1, 1))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


# MARK: - §5.4 Errors


def test_a_stream_error_leaves_its_neighbours_alone(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + peer.request(3, [*USUAL, ("X-Upper", "1")]))
        peer.wait(lambda: peer.reset(3) is not None, "the malformed one is reset")
        peer.send(frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"


def test_a_goaway_names_the_last_stream_that_was_taken(fleet):
    with Peer(fleet.address) as peer:
        peer.call(7)
        assert peer.served(7) == "0"
        peer.send(frame(DATA, 0, 0, b"x"))
        peer.expect_connection_error("PROTOCOL_ERROR")
        assert int.from_bytes(peer.goaway().payload[:4], "big") == 7

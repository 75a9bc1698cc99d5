"""RFC 9113 §6: each frame type with lengths, flags and values that it may not have, and those that it may."""

import pytest

from frames import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    MESSAGE,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    USUAL,
    WINDOW_UPDATE,
    Peer,
    frame,
    priority,
    rst,
    settings,
    window_update,
)

# MARK: - Connection errors, by what is sent after the handshake

OPEN = lambda peer: peer.request(1)

CONNECTION_ERRORS = {
    # §6.1 DATA
    "DATA with more padding than payload": (OPEN, frame(DATA, PADDED, 1, b"\x06Test"), ["PROTOCOL_ERROR"]),
    "DATA with padding that is its whole payload": (OPEN, frame(DATA, PADDED, 1, b"\x05Test"), ["PROTOCOL_ERROR"]),
    "padded DATA without a pad length": (OPEN, frame(DATA, PADDED, 1, b""), ["FRAME_SIZE_ERROR", "PROTOCOL_ERROR"]),
    # §6.2 HEADERS
    "HEADERS with more padding than payload": (
        None,
        frame(HEADERS, END_HEADERS | PADDED, 1, b"\x10\x82\x86"),
        ["PROTOCOL_ERROR"],
    ),
    "HEADERS with PRIORITY that is cut short": (
        None,
        frame(HEADERS, END_HEADERS | 0x20, 1, b"\x00\x00"),
        ["FRAME_SIZE_ERROR", "PROTOCOL_ERROR"],
    ),
    # §6.3 PRIORITY
    "PRIORITY on stream 0": (None, priority(0, 1), ["PROTOCOL_ERROR"]),
    # §6.4 RST_STREAM
    "RST_STREAM on stream 0": (None, rst(0), ["PROTOCOL_ERROR"]),
    "RST_STREAM of 3 bytes": (OPEN, frame(RST_STREAM, 0, 1, b"\x00\x00\x08"), ["FRAME_SIZE_ERROR"]),
    "RST_STREAM of 5 bytes": (OPEN, frame(RST_STREAM, 0, 1, b"\x00" * 5), ["FRAME_SIZE_ERROR"]),
    # §6.5 SETTINGS
    "SETTINGS ACK with a payload": (None, settings((1, 4096), flags=ACK), ["FRAME_SIZE_ERROR"]),
    "SETTINGS ACK that acknowledges nothing": (None, settings(flags=ACK) * 3, ["PROTOCOL_ERROR"]),
    "SETTINGS on stream 1": (None, settings((MAX_CONCURRENT_STREAMS, 100), stream=1), ["PROTOCOL_ERROR"]),
    "SETTINGS of 5 bytes": (None, frame(SETTINGS, 0, 0, b"\x00" * 5), ["FRAME_SIZE_ERROR"]),
    "ENABLE_PUSH of 2": (None, settings((ENABLE_PUSH, 2)), ["PROTOCOL_ERROR"]),
    "INITIAL_WINDOW_SIZE over 2^31-1": (None, settings((INITIAL_WINDOW_SIZE, 2**31)), ["FLOW_CONTROL_ERROR"]),
    "MAX_FRAME_SIZE under 16384": (None, settings((MAX_FRAME_SIZE, 16_383)), ["PROTOCOL_ERROR"]),
    "MAX_FRAME_SIZE over 2^24-1": (None, settings((MAX_FRAME_SIZE, 2**24)), ["PROTOCOL_ERROR"]),
    # §6.6 PUSH_PROMISE
    "PUSH_PROMISE from a caller": (
        OPEN,
        frame(PUSH_PROMISE, END_HEADERS, 1, b"\x00\x00\x00\x02\x82"),
        ["PROTOCOL_ERROR"],
    ),
    # §6.7 PING
    "PING on stream 1": (None, frame(PING, 0, 1, b"12345678"), ["PROTOCOL_ERROR"]),
    "PING of 6 bytes": (None, frame(PING, 0, 0, b"123456"), ["FRAME_SIZE_ERROR"]),
    "PING of 9 bytes": (None, frame(PING, 0, 0, b"123456789"), ["FRAME_SIZE_ERROR"]),
    # §6.8 GOAWAY
    "GOAWAY on stream 1": (None, frame(GOAWAY, 0, 1, b"\x00" * 8), ["PROTOCOL_ERROR"]),
    "GOAWAY of 7 bytes": (None, frame(GOAWAY, 0, 0, b"\x00" * 7), ["FRAME_SIZE_ERROR"]),
    # §6.9 WINDOW_UPDATE
    "WINDOW_UPDATE of 0 on the connection": (None, window_update(0, 0), ["PROTOCOL_ERROR"]),
    "WINDOW_UPDATE of 3 bytes": (None, frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x01"), ["FRAME_SIZE_ERROR"]),
    "WINDOW_UPDATE of 5 bytes": (None, frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x00\x01"), ["FRAME_SIZE_ERROR"]),
    "a connection window over 2^31-1": (None, window_update(0, 2**31 - 1), ["FLOW_CONTROL_ERROR"]),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_a_broken_frame_ends_the_connection(fleet, name):
    before, bad, codes = CONNECTION_ERRORS[name]
    with Peer(fleet.address) as peer:
        peer.send((before(peer) if before else b"") + bad)
        peer.expect_connection_error(*codes)


STREAM_ERRORS = {
    "WINDOW_UPDATE of 0 on a stream": (window_update(1, 0), ["PROTOCOL_ERROR"]),
    "a stream window over 2^31-1": (window_update(1, 2**31 - 1) * 2, ["FLOW_CONTROL_ERROR"]),
    "PRIORITY of 4 bytes": (frame(PRIORITY, 0, 1, b"\x00" * 4), ["FRAME_SIZE_ERROR"]),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_a_broken_frame_of_a_stream_ends_the_stream(fleet, name):
    bad, codes = STREAM_ERRORS[name]
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + bad)
        peer.expect_stream_error(1, *codes)


# MARK: - What is allowed

ALLOWED = {
    "padded DATA": lambda peer: peer.request(1) + frame(DATA, END_STREAM | PADDED, 1, b"\x06" + MESSAGE + b"\x00" * 6),
    "DATA that is padding only": lambda peer: peer.request(1)
    + frame(DATA, PADDED, 1, b"\x06" + b"\x00" * 6)
    + frame(DATA, END_STREAM, 1, MESSAGE),
    "padded HEADERS": lambda peer: frame(
        HEADERS, END_HEADERS | PADDED, 1, b"\x05" + peer.encoder.encode(USUAL) + b"\x00" * 5
    )
    + frame(DATA, END_STREAM, 1, MESSAGE),
    "an unknown setting": lambda peer: settings((0xFFFF, 1), (0x99, 2**32 - 1))
    + peer.request(1)
    + frame(DATA, END_STREAM, 1, MESSAGE),
    "the same setting twice": lambda peer: settings((INITIAL_WINDOW_SIZE, 1), (INITIAL_WINDOW_SIZE, 65_535))
    + peer.request(1)
    + frame(DATA, END_STREAM, 1, MESSAGE),
    "every setting at its edge": lambda peer: settings(
        (HEADER_TABLE_SIZE, 0),
        (ENABLE_PUSH, 0),
        (MAX_CONCURRENT_STREAMS, 0),
        (INITIAL_WINDOW_SIZE, 2**31 - 1),
        (MAX_FRAME_SIZE, 2**24 - 1),
        (MAX_HEADER_LIST_SIZE, 2**32 - 1),
    )
    + peer.request(1)
    + frame(DATA, END_STREAM, 1, MESSAGE),
    "an empty DATA frame at the end": lambda peer: peer.request(1)
    + frame(DATA, 0, 1, MESSAGE)
    + frame(DATA, END_STREAM, 1, b""),
    "an unknown error code": lambda peer: peer.request(1)
    + frame(DATA, END_STREAM, 1, MESSAGE)
    + peer.request(3)
    + rst(3, 0x1234),
    "trailers": lambda peer: peer.request(1)
    + frame(DATA, 0, 1, MESSAGE)
    + peer.request(1, [("x-trailer", "1")], END_HEADERS | END_STREAM),
    "a trailer block in a continuation": lambda peer: peer.request(1)
    + frame(DATA, 0, 1, MESSAGE)
    + frame(HEADERS, END_STREAM, 1, peer.encoder.encode([("x-trailer", "1")]))
    + frame(CONTINUATION, END_HEADERS, 1, b""),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_the_rules_allow_is_served(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(ALLOWED[name](peer))
        assert peer.served(1) == "0"
        peer.alive()


def test_settings_are_acknowledged_once_each(fleet):
    with Peer(fleet.address) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 1_000)) * 5)
        peer.alive()
        assert sum(f.kind == SETTINGS and f.flags & ACK for f in peer.frames) == 6


def test_a_ping_is_answered_with_its_payload_and_an_ack_is_not(fleet):
    with Peer(fleet.address) as peer:
        peer.send(frame(PING, ACK, 0, b"unasked!") + frame(PING, 0, 0, b"question"))
        peer.alive()
        answers = [f.payload for f in peer.frames if f.kind == PING]
        assert answers[0] == b"question" and b"unasked!" not in answers


# MARK: - §6.9 Flow control

BIG = [*USUAL, ("x-script", '{"reply_bytes": 30000}')]


def received(peer: Peer, stream: int) -> int:
    return len(peer.data.get(stream, b""))


def test_no_more_is_sent_than_the_stream_window_allows(fleet):
    with Peer(fleet.address, entries=[(INITIAL_WINDOW_SIZE, 1)]) as peer:
        peer.is_honest = False
        peer.send(peer.request(1, BIG) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.wait(lambda: received(peer, 1) == 1, "one byte comes")
        peer.alive()
        assert received(peer, 1) == 1
        peer.send(window_update(1, 2))
        peer.wait(lambda: received(peer, 1) == 3, "two more bytes come")
        peer.alive()
        assert received(peer, 1) == 3
        peer.send(window_update(1, 100_000))
        assert peer.served(1) == "0"


def test_no_more_is_sent_than_the_connection_window_allows(fleet):
    with Peer(fleet.address, entries=[(INITIAL_WINDOW_SIZE, 1_000_000)]) as peer:
        peer.is_honest = False
        streams = (1, 3, 5, 7)
        for stream in streams:
            peer.send(peer.request(stream, BIG) + frame(DATA, END_STREAM, stream, MESSAGE))
        peer.wait(lambda: sum(received(peer, stream) for stream in streams) == 65_535, "the window is used up")
        peer.alive()
        assert sum(received(peer, stream) for stream in streams) == 65_535
        peer.send(window_update(0, 1_000_000))
        for stream in streams:
            assert peer.served(stream) == "0"


def test_a_changed_initial_window_changes_open_streams_and_may_make_them_negative(fleet):
    with Peer(fleet.address, entries=[(INITIAL_WINDOW_SIZE, 3)]) as peer:
        peer.is_honest = False
        peer.send(peer.request(1, BIG) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.wait(lambda: received(peer, 1) == 3, "three bytes come")
        # Now the window is 2 - 3 = -1: one byte more brings it to zero, and another one to one.
        peer.send(settings((INITIAL_WINDOW_SIZE, 2)) + window_update(1, 1))
        peer.alive()
        assert received(peer, 1) == 3
        peer.send(window_update(1, 1))
        peer.wait(lambda: received(peer, 1) == 4, "one byte comes")
        peer.alive()
        assert received(peer, 1) == 4
        peer.send(settings((INITIAL_WINDOW_SIZE, 60_000)))
        assert peer.served(1) == "0"


def test_an_initial_window_that_overflows_an_open_stream_is_a_flow_control_error(fleet):
    """RFC 9113 §6.9.2: of the connection, however many of its streams could go on."""
    before = fleet.homing.metrics().sum("homing_protocol_errors_total")
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + peer.request(3) + window_update(3, 2**31 - 1 - 65_535))
        peer.alive()
        peer.send(settings((INITIAL_WINDOW_SIZE, 65_536)))
        peer.expect_connection_error("FLOW_CONTROL_ERROR")
    assert fleet.homing.metrics().sum("homing_protocol_errors_total") == before + 1


def test_an_initial_window_up_to_the_largest_is_no_error(fleet):
    """2³¹−1 exactly, once by one step and once by two, for streams that have used some of their window."""
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + window_update(1, 2**31 - 1 - 65_537))
        peer.send(settings((INITIAL_WINDOW_SIZE, 65_536)) + settings((INITIAL_WINDOW_SIZE, 65_537)))
        peer.alive()
        peer.send(settings((INITIAL_WINDOW_SIZE, 0)) + frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"
        peer.send(settings((INITIAL_WINDOW_SIZE, 2**31 - 1)))
        peer.call(3)
        assert peer.served(3) == "0"


def test_a_caller_that_sends_past_its_window_is_refused(fleet):
    """A worker that reads slowly holds the stream's window back; what goes beyond it is an error."""
    fields = [*USUAL[:2], (":path", "/test.Echo/Collect"), *USUAL[3:], ("x-script", '{"delay_s": 30}')]
    with Peer(fleet.address) as peer:
        peer.is_honest = False
        peer.send(peer.request(1, fields))
        # Nobody waits for windows here: far more than every window on the way together.
        piece = frame(DATA, 0, 1, b"\x00\x00\x00\x3f\xfb" + b"x" * 16_379)
        for _ in range(2_000):
            peer.send(piece)
            peer.turn(0)
            if peer.is_closed or peer.reset(1):
                break
        peer.expect_stream_error(1, "FLOW_CONTROL_ERROR")


def test_the_caller_may_say_goaway_and_its_open_calls_end_well(fleet):
    with Peer(fleet.address) as peer:
        fields = [*USUAL, ("x-script", '{"delay_s": 0.1}')]
        peer.send(peer.request(1, fields) + frame(DATA, END_STREAM, 1, MESSAGE) + frame(GOAWAY, 0, 0, b"\x00" * 8))
        assert peer.served(1) == "0"

"""RFC 9113 §3 and §4: how a connection starts, what a frame is, and where header blocks may stand."""

import pytest

from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_FRAME_SIZE,
    MESSAGE,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    USUAL,
    Peer,
    frame,
    priority,
    rst,
    settings,
    window_update,
)

# MARK: - §3.4 Preface


def test_the_program_answers_the_preface_with_settings_first(fleet):
    with Peer(fleet.address) as peer:
        assert peer.frames[0].kind == SETTINGS and not peer.frames[0].flags


@pytest.mark.parametrize("position", [0, 3, 14, 23])
def test_a_preface_with_one_wrong_byte_ends_the_connection(fleet, position):
    wrong = PREFACE[:position] + b"x" + PREFACE[position + 1 :]
    with Peer(fleet.address, handshake=False) as peer:
        peer.send(wrong + settings())
        peer.expect_connection_error("PROTOCOL_ERROR")


FIRST_FRAMES = {
    "PING": frame(PING, payload=b"12345678"),
    "WINDOW_UPDATE": window_update(0, 1),
    "SETTINGS with ACK": settings(flags=1),
    "PRIORITY": priority(1, 0),
}


@pytest.mark.parametrize("name", FIRST_FRAMES)
def test_the_first_frame_of_a_caller_must_be_settings(fleet, name):
    with Peer(fleet.address, handshake=False) as peer:
        peer.send(PREFACE + FIRST_FRAMES[name])
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_a_preface_that_trickles_in_is_taken(fleet):
    with Peer(fleet.address, handshake=False) as peer:
        for byte in PREFACE + settings():
            peer.send(bytes([byte]))
        peer.call()
        assert peer.served(1) == "0"


# MARK: - §4.1 Format, unknown types and flags


def test_a_frame_of_an_unknown_type_is_ignored(fleet):
    with Peer(fleet.address) as peer:
        peer.send(frame(0x16, 0xFF, 0, b"what is this") + frame(0xEE, 0, 1, b""))
        peer.alive()
        peer.call()
        assert peer.served(1) == "0"


def test_unknown_flags_are_ignored(fleet):
    with Peer(fleet.address) as peer:
        peer.send(frame(PING, 0x16 & ~1, 0, b"12345678"))
        peer.alive()
        peer.send(peer.request(1, flags=END_HEADERS | 0x40) + frame(DATA, END_STREAM | 0x80, 1, MESSAGE))
        assert peer.served(1) == "0"


def test_the_reserved_bit_of_a_stream_identifier_is_ignored(fleet):
    with Peer(fleet.address) as peer:
        peer.send(frame(PING, 0, 0x8000_0000, b"12345678"))
        peer.alive()


def test_every_cut_of_a_call_gives_the_same_answer(fleet):
    with Peer(fleet.address) as peer:
        for stream in range(1, 81, 2):
            whole = peer.request(stream) + frame(DATA, END_STREAM, stream, MESSAGE)
            cut = (stream // 2) % len(whole)
            peer.send(whole[:cut])
            peer.send(whole[cut:])
            assert peer.served(stream) == "0"


# MARK: - §4.2 Sizes


@pytest.mark.parametrize("size", [16_384, 1])
def test_data_of_every_allowed_size_is_taken(fleet, size):
    """16,384 bytes is the largest frame that anybody must take."""
    message = b"\x00" + (size - 5).to_bytes(4, "big") + b"\x0a" * (size - 5) if size > 5 else None
    with Peer(fleet.address) as peer:
        peer.open(1)
        if message:
            peer.send(frame(DATA, END_STREAM, 1, message))
        else:
            for position in range(len(MESSAGE)):
                last = position == len(MESSAGE) - 1
                peer.send(frame(DATA, END_STREAM if last else 0, 1, MESSAGE[position : position + 1]))
        peer.wait(lambda: peer.has_ended(1), "the stream ends")
        peer.alive()


def test_a_data_frame_over_the_largest_size_is_a_frame_size_error(fleet):
    with Peer(fleet.address) as peer:
        peer.open(1)
        peer.send(frame(DATA, END_STREAM, 1, b"\x00" * 16_385))
        peer.expect_stream_error(1, "FRAME_SIZE_ERROR")


def test_a_header_frame_over_the_largest_size_ends_the_connection(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, [*USUAL, ("x-long", "y" * 40_000)]))
        peer.expect_connection_error("FRAME_SIZE_ERROR")


# MARK: - §4.3 and §6.10 Header blocks


def split(peer: Peer, pieces: int, stream: int = 1, last_flags: int = END_HEADERS) -> list[bytes]:
    """A request cut into HEADERS and CONTINUATION frames."""
    block = peer.encoder.encode(USUAL)
    size = -(-len(block) // pieces)
    parts = [block[start : start + size] for start in range(0, len(block), size)]
    frames = [frame(HEADERS, 0, stream, parts[0])]
    frames += [frame(CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    return [*frames, frame(CONTINUATION, last_flags, stream, parts[-1])]


@pytest.mark.parametrize("pieces", [2, 3, 8])
def test_a_header_block_in_continuations_is_put_together(fleet, pieces):
    with Peer(fleet.address) as peer:
        peer.send(b"".join(split(peer, pieces)) + frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"


BETWEEN = {
    "DATA": frame(DATA, 0, 1, b"x"),
    "PRIORITY": priority(1, 0),
    "PING": frame(PING, payload=b"12345678"),
    "SETTINGS": settings(),
    "an unknown type": frame(0x16, 0, 1, b""),
    "RST_STREAM": rst(1),
    "WINDOW_UPDATE": window_update(1, 1),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_nothing_may_stand_between_headers_and_continuation(fleet, name):
    with Peer(fleet.address) as peer:
        first, last = split(peer, 2)
        peer.send(first + BETWEEN[name] + last)
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_headers_of_another_stream_within_a_block_end_the_connection(fleet):
    with Peer(fleet.address) as peer:
        peer.send(split(peer, 2)[0] + frame(HEADERS, END_HEADERS, 3, b"\x82"))
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_a_continuation_of_another_stream_ends_the_connection(fleet):
    with Peer(fleet.address) as peer:
        first, _ = split(peer, 2)
        peer.send(first + split(peer, 2, stream=3)[1])
        peer.expect_connection_error("PROTOCOL_ERROR")


UNEXPECTED_CONTINUATIONS = {
    "on a stream that is idle": lambda peer: frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "on stream 0": lambda peer: frame(CONTINUATION, END_HEADERS, 0, b"\x82"),
    "after the end of a block": lambda peer: peer.request(1) + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "after a block in continuations": lambda peer: b"".join(split(peer, 3))
    + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "after DATA": lambda peer: peer.request(1) + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
}


@pytest.mark.parametrize("name", UNEXPECTED_CONTINUATIONS)
def test_a_continuation_that_continues_nothing_ends_the_connection(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(UNEXPECTED_CONTINUATIONS[name](peer))
        peer.expect_connection_error("PROTOCOL_ERROR")


def test_a_block_cut_inside_a_field_is_a_compression_error(fleet):
    with Peer(fleet.address) as peer:
        block = peer.encoder.encode(USUAL)
        peer.send(frame(HEADERS, END_HEADERS, 1, block[:-3]))
        peer.expect_connection_error("COMPRESSION_ERROR")


def test_a_larger_frame_size_of_ours_is_used_or_not_but_nothing_breaks(fleet):
    with Peer(fleet.address, entries=[(MAX_FRAME_SIZE, 65_536)]) as peer:
        peer.send(
            peer.request(1, [*USUAL, ("x-script", '{"reply_bytes": 100000}')]) + frame(DATA, END_STREAM, 1, MESSAGE)
        )
        assert peer.served(1) == "0" and len(peer.data[1]) > 100_000
        assert all(len(f.payload) <= 65_536 for f in peer.frames)


def test_no_frame_that_comes_back_is_larger_than_allowed(fleet):
    with Peer(fleet.address) as peer:
        peer.send(
            peer.request(1, [*USUAL, ("x-script", '{"reply_bytes": 100000}')]) + frame(DATA, END_STREAM, 1, MESSAGE)
        )
        assert peer.served(1) == "0"
        assert all(len(f.payload) <= 16_384 for f in peer.frames)


@pytest.mark.parametrize("kind", [DATA, HEADERS, PRIORITY, CONTINUATION])
def test_frames_that_belong_to_a_stream_may_not_stand_on_stream_0(fleet, kind):
    payload = {PRIORITY: b"\x00\x00\x00\x00\x0f"}.get(kind, b"\x82")
    with Peer(fleet.address) as peer:
        peer.send(frame(kind, END_HEADERS if kind == HEADERS else 0, 0, payload))
        peer.expect_connection_error("PROTOCOL_ERROR")

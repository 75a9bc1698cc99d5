"""RFC 7541: header blocks that do not decode end the connection, since its compression state is lost."""

import pytest

from frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADER_TABLE_SIZE,
    HEADERS,
    MESSAGE,
    USUAL,
    Peer,
    frame,
    settings,
)


def literal(name: bytes, value: bytes) -> bytes:
    """A literal field without indexing, new name, no Huffman code; both shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


# Every block begins with a good request, so that only its last part is wrong.
BROKEN = {
    "index 0": b"\x80",
    "an index past both tables": b"\xff\x80\x01",
    "an index far past every number": b"\xff" + b"\xff" * 9 + b"\x7f",
    "a literal whose name is past both tables": b"\x7f\xff\x01\x01a",
    "a number that never ends": b"\xff" + b"\x80" * 20 + b"\x01",
    "a string longer than the block": b"\x00\x7f",
    "a string longer than anything": b"\x00\x7f\xff\xff\xff\xff\x0f",
    "a table size over the limit": b"\x3f\xe2\x1f",
    "a table size after a field": b"\x20",
    # 'x-a: 1' with the value Huffman coded: '1' is 00001, then padding.
    "Huffman padding longer than 7 bits": b"\x00\x01a\x82\x0f\xff",
    "Huffman padding of zeros": b"\x00\x01a\x81\x08",
    "Huffman EOS": b"\x00\x01a\x84\xff\xff\xff\xff",
    "a Huffman code cut short": b"\x00\x01a\x81\xfe",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_header_block_that_does_not_decode_ends_the_connection(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, peer.encoder.encode(USUAL) + BROKEN[name]))
        peer.expect_connection_error("COMPRESSION_ERROR")


GOOD = {
    "a literal without indexing": literal(b"x-a", b"1"),
    "a literal that is never indexed": b"\x10" + literal(b"x-a", b"1")[1:],
    "a literal with indexing": b"\x40" + literal(b"x-a", b"1")[1:],
    "a Huffman coded value": b"\x00\x01a\x81\x0f",
    "an empty value": literal(b"x-a", b""),
    "an index of the static table": b"\x90",
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_a_field_is_read(fleet, name):
    with Peer(fleet.address) as peer:
        block = peer.encoder.encode(USUAL) + GOOD[name]
        peer.send(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"


@pytest.mark.parametrize("sizes", [b"\x20", b"\x3f\xe1\x1f", b"\x20\x3f\xe1\x1f"])
def test_a_table_size_at_the_start_of_a_block_is_taken(fleet, sizes):
    with Peer(fleet.address) as peer:
        block = sizes + peer.encoder.encode(USUAL)
        peer.send(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"


def test_entries_are_remembered_and_pushed_out_in_order(fleet):
    """Two hundred entries of 60 bytes go through a table of 4,096; later requests refer to those that are left."""
    with Peer(fleet.address) as peer:
        for number, stream in enumerate(range(1, 41, 2)):
            fields = [*USUAL, *[(f"x-{number}-{n}", "v" * 20) for n in range(10)], ("x-kept", "always")]
            peer.send(peer.request(stream, fields) + frame(DATA, END_STREAM, stream, MESSAGE))
            assert peer.served(stream) == "0"


def test_a_callers_smaller_table_is_respected(fleet):
    """After HEADER_TABLE_SIZE 0, answers refer to nothing but the static table."""
    with Peer(fleet.address) as peer:
        peer.call(1)
        assert peer.served(1) == "0"
        peer.send(settings((HEADER_TABLE_SIZE, 0)))
        peer.alive()
        peer.decoder.max_allowed_table_size = 0
        peer.decoder.header_table_size = 0
        for stream in (3, 5):
            peer.call(stream)
            assert peer.served(stream) == "0"

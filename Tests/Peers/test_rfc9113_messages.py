"""RFC 9113 §8: which header lists are a request, and what happens to those that are not."""

import pytest

from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MESSAGE,
    RST_STREAM,
    USUAL,
    Peer,
    frame,
)

REST = USUAL[4:]


def without(*names: str) -> list:
    return [pair for pair in USUAL if pair[0] not in names]


def instead(name: str, value: str) -> list:
    return [(key, value if key == name else old) for key, old in USUAL]


MALFORMED = {
    # §8.2.1 Names and values
    "an upper-case name": [*USUAL, ("X-Upper", "1")],
    "an upper-case letter inside a name": [*USUAL, ("x-uPper", "1")],
    "a name with a space": [*USUAL, ("x odd", "1")],
    "a name with a colon inside": [*USUAL, ("x:odd", "1")],
    "a name with a control character": [*USUAL, ("x\x01odd", "1")],
    "a name with DEL": [*USUAL, ("x\x7fodd", "1")],
    "a name with a byte over 0x7f": [*USUAL, (b"x\xffodd", b"1")],
    "an empty name": [*USUAL, ("", "1")],
    "a value with NUL": [*USUAL, ("x-odd", "a\x00b")],
    "a value with LF": [*USUAL, ("x-odd", "a\nb")],
    "a value with CR": [*USUAL, ("x-odd", "a\rb")],
    # §8.2.2 Connection-specific headers
    "connection": [*USUAL, ("connection", "keep-alive")],
    "keep-alive": [*USUAL, ("keep-alive", "timeout=5")],
    "proxy-connection": [*USUAL, ("proxy-connection", "keep-alive")],
    "transfer-encoding": [*USUAL, ("transfer-encoding", "chunked")],
    "upgrade": [*USUAL, ("upgrade", "h2c")],
    "te with anything but trailers": [*without("te"), ("te", "trailers, deflate")],
    # §8.3 Pseudo-headers
    "an unknown pseudo-header": [(":unknown", "1"), *USUAL],
    "a response's pseudo-header": [*USUAL[:4], (":status", "200"), *REST],
    "a pseudo-header after an ordinary one": [*USUAL[:3], USUAL[4], USUAL[3], USUAL[5]],
    ":method twice": [USUAL[0], *USUAL],
    ":scheme twice": [USUAL[1], *USUAL],
    ":path twice": [USUAL[2], *USUAL],
    ":authority twice": [USUAL[3], *USUAL],
    "no :method": without(":method"),
    "no :scheme": without(":scheme"),
    "no :path": without(":path"),
    "no pseudo-header at all": REST,
    "an empty :path": instead(":path", ""),
    "a :path without its slash": instead(":path", "backend.Backend/Predict"),
    "an empty :method": instead(":method", ""),
    "a :method that is no token": instead(":method", "PO ST"),
    "an empty :scheme": instead(":scheme", ""),
    "a :path with a control character": instead(":path", "/backend\x01"),
    "an :authority with a space": instead(":authority", "te st"),
    "a CONNECT with :path": instead(":method", "CONNECT"),
    "a :protocol that was not agreed on": [*USUAL[:4], (":protocol", "websocket"), *REST],
    "a host that contradicts :authority": [*USUAL, ("host", "other")],
    # §8.1.1 Lengths
    "a content-length that is no number": [*USUAL, ("content-length", "many")],
    "two content-lengths that differ": [*USUAL, ("content-length", "12"), ("content-length", "13")],
    "a negative content-length": [*USUAL, ("content-length", "-1")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_a_stream_error(fleet, name):
    """Its neighbours and the connection stay, and no worker hears of it."""
    with Peer(fleet.address) as peer:
        before = fleet.count("/backend.Backend/Predict")
        peer.send(peer.request(1, MALFORMED[name]))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")
        assert peer.reset(1), f"the connection should stay; {peer.story()}"
        peer.call(3)
        assert peer.served(3) == "0"
        assert fleet.count("/backend.Backend/Predict") == before + 1


WELL_FORMED = {
    "te: trailers": USUAL,
    "no te": without("te"),
    "a host that agrees with :authority": [*USUAL, ("host", "test")],
    "a host instead of :authority": [*without(":authority"), ("host", "test")],
    "pseudo-headers in another order": [*reversed(USUAL[:4]), *REST],
    "the right content-length": [*USUAL, ("content-length", str(len(MESSAGE)))],
    "many cookies": [*USUAL, *[("cookie", f"a{n}=b") for n in range(50)]],
    "an empty value": [*USUAL, ("x-empty", "")],
    "a value with a tab inside": [*USUAL, ("x-tab", "a\tb")],
    "a value with bytes over 0x7f": [*USUAL, (b"x-high", b"\xc3\xa4")],
    "a value with spaces at its ends": [*USUAL, ("x-spaces", "  a  ")],
    "every character a name may have": [*USUAL, ("!#$%&'*+-.^_`|~0a", "1")],
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_a_well_formed_request_is_served(fleet, name):
    # grpcio's worker refuses some of these itself; what counts is that the program passes them on.
    is_refused_by_worker = name in ("no te", "every character a name may have", "a value with bytes over 0x7f")
    expected = None if is_refused_by_worker else "0"
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, WELL_FORMED[name]) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.wait(lambda: peer.has_ended(1), "the stream ends")
        status = peer.field(1, "grpc-status")
        assert status == expected or (expected is None and status is not None), peer.story()


# MARK: - Bodies and lengths


@pytest.mark.parametrize("length", [0, 1, len(MESSAGE) - 1, len(MESSAGE) + 1, 10_000])
def test_a_content_length_that_lies_is_a_stream_error(fleet, length):
    with Peer(fleet.address) as peer:
        fields = [*USUAL, ("content-length", str(length))]
        peer.send(peer.request(1, fields) + frame(DATA, END_STREAM, 1, MESSAGE))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_a_content_length_that_lies_over_several_frames_is_a_stream_error(fleet):
    with Peer(fleet.address) as peer:
        fields = [*USUAL, ("content-length", "5")]
        peer.send(peer.request(1, fields) + frame(DATA, 0, 1, MESSAGE[:4]) + frame(DATA, END_STREAM, 1, MESSAGE[4:]))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_a_content_length_without_a_body_is_a_stream_error(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, [*USUAL, ("content-length", "5")], END_HEADERS | END_STREAM))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


# MARK: - §8.1 Trailers

BAD_TRAILERS = {
    "a pseudo-header": [(":method", "POST")],
    "a response's pseudo-header": [(":status", "200")],
    "an upper-case name": [("X-Upper", "1")],
    "a connection-specific header": [("connection", "close")],
}


@pytest.mark.parametrize("name", BAD_TRAILERS)
def test_malformed_trailers_are_a_stream_error(fleet, name):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + frame(DATA, 0, 1, MESSAGE[:3]))
        peer.send(peer.request(1, BAD_TRAILERS[name], END_HEADERS | END_STREAM))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_a_second_header_block_without_an_end_is_a_stream_error(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1) + peer.request(1, [("x-late", "1")]))
        peer.expect_stream_error(1, "PROTOCOL_ERROR")


def test_data_after_trailers_is_an_error(fleet):
    with Peer(fleet.address) as peer:
        never = [*USUAL, ("x-script", '{"never": true}')]
        peer.send(peer.request(1, never) + frame(DATA, 0, 1, MESSAGE))
        peer.send(peer.request(1, [("x-trailer", "1")], END_HEADERS | END_STREAM) + frame(DATA, 0, 1, b"x"))
        peer.expect_stream_error(1, "STREAM_CLOSED")


# MARK: - §8.1 An answer before the request's end


def test_an_early_answer_tells_the_caller_to_stop_uploading(fleet):
    """RST_STREAM(NO_ERROR) after the whole answer: the answer counts, and no more of the request is wanted."""
    with Peer(fleet.address) as peer:
        fields = [*USUAL[:2], (":path", "/test.Echo/Stream"), *USUAL[3:], ("x-script", '{"messages": 1}')]
        peer.send(peer.request(1, fields) + frame(DATA, 0, 1, MESSAGE))
        peer.wait(lambda: peer.reset(1) is not None, "the stream is reset")
        assert peer.reset(1).code == "NO_ERROR" and peer.field(1, "grpc-status") == "0"
        ended = next(n for n, f in enumerate(peer.frames) if f.kind == HEADERS and f.flags & END_STREAM)
        assert ended < next(n for n, f in enumerate(peer.frames) if f.kind == RST_STREAM)
        peer.call(3)
        assert peer.served(3) == "0"


def test_a_local_answer_before_the_end_tells_the_caller_to_stop_uploading(fleet):
    with Peer(fleet.address) as peer:
        peer.send(peer.request(1, [*without("content-type"), ("content-type", "text/html")]) + frame(DATA, 0, 1, b"x"))
        peer.wait(lambda: peer.reset(1) is not None, "the stream is reset")
        assert peer.field(1, ":status") == "415" and peer.reset(1).code == "NO_ERROR"


# MARK: - Sizes (§10.5.1, §6.5.2)


def blocks(peer: Peer, fields, stream: int = 1) -> bytes:
    """A request of any size in HEADERS and CONTINUATION frames of full size."""
    block = peer.encoder.encode(fields)
    parts = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
    kinds = [HEADERS] + [CONTINUATION] * (len(parts) - 1)
    return b"".join(
        frame(kind, END_HEADERS if number == len(parts) - 1 else 0, stream, part)
        for number, (kind, part) in enumerate(zip(kinds, parts))
    )


def test_a_header_list_over_the_limit_is_answered_and_the_connection_kept(fleet):
    with Peer(fleet.address) as peer:
        peer.send(blocks(peer, [*USUAL, *[(f"x-{n}", "y" * 4_000) for n in range(20)]]))
        assert peer.served(1) == "8", "RESOURCE_EXHAUSTED"
        peer.call(3)
        assert peer.served(3) == "0"


def test_a_header_list_over_the_limit_of_a_caller_without_grpc_is_431(fleet):
    with Peer(fleet.address) as peer:
        peer.send(blocks(peer, [*without("content-type"), *[(f"x-{n}", "y" * 4_000) for n in range(20)]]))
        peer.wait(lambda: peer.has_ended(1), "the stream ends")
        assert peer.field(1, ":status") == "431"
        peer.alive()


def test_a_large_header_list_within_the_limit_is_served(fleet):
    with Peer(fleet.address) as peer:
        peer.send(blocks(peer, [*USUAL, *[(f"x-{n}", "y" * 100) for n in range(50)]]))
        peer.send(frame(DATA, END_STREAM, 1, MESSAGE))
        assert peer.served(1) == "0"

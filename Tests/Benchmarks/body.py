"""A request body for h2load: PredictOptions with a prompt of a given size, in its gRPC frame.

    python3 body.py BYTES > body
"""

import sys

TEXT = b"You are a helpful bird. Answer in one sentence, name your sources, and return to the nest when it is dark. "


def varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def body(size: int, model: bytes = b"") -> bytes:
    """The frame of a message with Prompt (number 1), `size` bytes of text, and ModelIdentity (54) when there is one."""
    prompt = (TEXT * (size // len(TEXT) + 1))[:size]
    message = b"\x0a" + varint(size) + prompt
    if model:
        message += varint(54 << 3 | 2) + varint(len(model)) + model
    return b"\x00" + len(message).to_bytes(4, "big") + message


if __name__ == "__main__":
    sys.stdout.buffer.write(body(int(sys.argv[1])))

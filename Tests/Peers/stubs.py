"""The Python messages of `proto/`, generated into the build folder when the tests start; never committed.

Only messages are generated: the method table comes from the service descriptor, so client and worker need no
generated service code and treat a method that the proto has not heard of exactly like one that it has.
"""

import hashlib
import importlib
import os
import pathlib
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO_DIR = pathlib.Path(os.environ.get("HOMING_PROTO_DIR", ROOT / "proto"))
BUILD_DIR = ROOT / ".build" / "peers"


@dataclass(frozen=True)
class Method:
    """One rpc of a service: its path, its message classes and its shape."""

    path: str
    request: type
    response: type
    client_streaming: bool
    server_streaming: bool


def generate() -> pathlib.Path:
    """Generates the stubs unless the folder already holds those of exactly these proto files. Returns the folder."""
    sources = sorted(PROTO_DIR.glob("*.proto"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = BUILD_DIR / f"stubs-{digest[:16]}"
    if (folder / ".complete").exists():
        return folder
    from grpc_tools import protoc

    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["protoc", f"-I{PROTO_DIR}", f"--python_out={folder}", *map(str, sources)]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc refused {', '.join(path.name for path in sources)}")
    (folder / ".complete").touch()
    return folder


sys.path.insert(0, str(generate()))
pb = importlib.import_module("backend_pb2")


def methods() -> dict[str, Method]:
    """Every rpc of `backend.Backend`, by its path."""
    from google.protobuf import message_factory

    service = pb.DESCRIPTOR.services_by_name["Backend"]
    table = {}
    for method in service.methods:
        path = f"/{service.full_name}/{method.name}"
        table[path] = Method(
            path,
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
        )
    return table


def make(cls: type, **fields):
    """A message whose text fields may be declared `string` or `bytes`; on the wire they are the same."""
    message = cls()
    for name, value in fields.items():
        descriptor = cls.DESCRIPTOR.fields_by_name[name]
        if isinstance(value, (str, bytes)):
            is_bytes = descriptor.type == descriptor.TYPE_BYTES
            if is_bytes and isinstance(value, str):
                value = value.encode()
            elif not is_bytes and isinstance(value, bytes):
                value = value.decode()
        setattr(message, name, value)
    return message


def text(value: str | bytes) -> str:
    """The text of a field, whichever way it is declared."""
    return value if isinstance(value, str) else value.decode(errors="replace")

"""The interop suite's messages, generated from interop.proto when the tests start, as stubs.py does for proto/."""

import hashlib
import importlib
import pathlib
import sys

from stubs import BUILD_DIR, Method

PROTO = pathlib.Path(__file__).with_name("interop.proto")


def generate() -> pathlib.Path:
    folder = BUILD_DIR / f"interop-{hashlib.sha256(PROTO.read_bytes()).hexdigest()[:16]}"
    if not (folder / ".complete").exists():
        from grpc_tools import protoc

        folder.mkdir(parents=True, exist_ok=True)
        if protoc.main(["protoc", f"-I{PROTO.parent}", f"--python_out={folder}", str(PROTO)]) != 0:
            raise RuntimeError("protoc refused interop.proto")
        (folder / ".complete").touch()
    return folder


sys.path.insert(0, str(generate()))
interop = importlib.import_module("interop_pb2")


def methods() -> dict[str, Method]:
    """Every rpc of the suite's service, by its path."""
    from google.protobuf import message_factory

    service = interop.DESCRIPTOR.services_by_name["TestService"]
    get = message_factory.GetMessageClass
    return {
        f"/{service.full_name}/{m.name}": Method(
            f"/{service.full_name}/{m.name}",
            get(m.input_type),
            get(m.output_type),
            m.client_streaming,
            m.server_streaming,
        )
        for m in service.methods
    }

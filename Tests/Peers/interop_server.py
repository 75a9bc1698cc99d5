"""The server side of the public gRPC interoperability suite, written from its description, on grpcio.

    python interop_server.py [--port N]     prints `worker grpc=127.0.0.1:PORT`

It answers `backend.Backend/Health`, so that a proxy takes it for a worker.
"""

import argparse
import asyncio
import signal

import grpc
import grpc.aio

from interop_stubs import interop, methods
from stubs import make, pb

SERVICE = "/grpc.testing.TestService/"
METHODS = methods()


async def echo_metadata(context):
    """What the suite's custom_metadata asks for: one header and one binary trailer come back as they were sent."""
    for key, value in context.invocation_metadata():
        if key == "x-grpc-test-echo-initial":
            await context.send_initial_metadata(((key, value),))
        elif key == "x-grpc-test-echo-trailing-bin":
            context.set_trailing_metadata(((key, value),))


async def end_with(status, context):
    if status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        await context.abort(code, status.message)


def payload(size: int):
    return interop.Payload(body=b"\x00" * size)


async def compress(context):
    """Compresses this answer. grpcio's `set_compression` does nothing on an asyncio server; this is what it would send."""
    await context.send_initial_metadata((("grpc-internal-encoding-request", "gzip"),))


async def empty_call(request, context):
    await echo_metadata(context)
    return interop.Empty()


async def unary_call(request, context):
    await echo_metadata(context)
    await end_with(request.response_status, context)
    if request.response_compressed.value:
        await compress(context)
    return interop.SimpleResponse(payload=payload(request.response_size))


async def outputs(request, context):
    for parameters in request.response_parameters:
        if parameters.interval_us:
            await asyncio.sleep(parameters.interval_us / 1e6)
        if parameters.HasField("compressed") and not parameters.compressed.value:
            context.disable_next_message_compression()
        yield interop.StreamingOutputCallResponse(payload=payload(parameters.size))


async def streaming_output_call(request, context):
    await echo_metadata(context)
    if any(p.compressed.value for p in request.response_parameters):
        await compress(context)
    async for reply in outputs(request, context):
        yield reply
    await end_with(request.response_status, context)


async def streaming_input_call(requests, context):
    await echo_metadata(context)
    return interop.StreamingInputCallResponse(
        aggregated_payload_size=sum([len(request.payload.body) async for request in requests])
    )


async def full_duplex_call(requests, context):
    await echo_metadata(context)
    async for request in requests:
        await end_with(request.response_status, context)
        async for reply in outputs(request, context):
            yield reply


BEHAVIOURS = {
    "EmptyCall": (grpc.unary_unary_rpc_method_handler, empty_call),
    "UnaryCall": (grpc.unary_unary_rpc_method_handler, unary_call),
    "StreamingOutputCall": (grpc.unary_stream_rpc_method_handler, streaming_output_call),
    "StreamingInputCall": (grpc.stream_unary_rpc_method_handler, streaming_input_call),
    "FullDuplexCall": (grpc.stream_stream_rpc_method_handler, full_duplex_call),
}


async def health(request, context):
    return make(pb.Reply, message="OK")


class Handlers(grpc.GenericRpcHandler):
    """UnimplementedCall and everything unknown have none: grpcio says UNIMPLEMENTED."""

    def service(self, details):
        if details.method == "/backend.Backend/Health":
            return grpc.unary_unary_rpc_method_handler(
                health, pb.HealthMessage.FromString, pb.Reply.SerializeToString
            )
        name = details.method.removeprefix(SERVICE)
        if details.method not in METHODS or name not in BEHAVIOURS:
            return None
        make_handler, behaviour = BEHAVIOURS[name]
        method = METHODS[details.method]
        return make_handler(behaviour, method.request.FromString, method.response.SerializeToString)


async def serve(port: int):
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Handlers(),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"worker grpc=127.0.0.1:{bound}", flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))

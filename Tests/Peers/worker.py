"""A model worker on grpcio, for tests: it does what the caller asks for in metadata, and remembers what it saw.

    python worker.py [--port N] [--requires-model] [--load-delay SECONDS]
                     [--listen ADDRESS] [--token TOKEN] [--tls CERTIFICATE KEY [--client-ca FILE]]

prints `worker grpc=127.0.0.1:PORT`; with one of the options of the second line also `control=127.0.0.1:PORT`, where
`test.Control` is asked in cleartext and without a token. It serves `backend.Backend` from the descriptor of proto/, the service
`test.Echo` with raw bytes, which no proxy has heard of, and `test.Control`, which tells a test what the worker saw.
It refuses to load a model named `missing`.

What a call does is said by the metadata `x-script`, a JSON object:

    delay_s       wait before the first byte of the answer
    early_headers send the response headers before that wait
    messages      how many messages a server stream has (default 3)
    interval_s    wait between them
    reply_bytes   size of each reply's payload
    initial       [[name, value], …] response headers; values of `-bin` names in base64
    trailing      the same for the trailers
    status        name of the gRPC status to end with, after `messages` messages; a unary call fails without a message
    details       its message
    never         never answer
    block_s       block the event loop for so long, as a single-threaded worker does: not even Health is answered
"""

import argparse
import asyncio
import base64
import json
import os
import pathlib
import signal
import time

import grpc
import grpc.aio

from stubs import make, methods, pb, text


class Memory:
    """What this worker saw since it started. Lives on the event loop's thread."""

    def __init__(self):
        self.methods: dict[str, dict[str, int]] = {}
        self.order: list[str] = []
        self.last: dict[str, dict] = {}
        self.open_calls = 0
        self.peers: set[str] = set()
        self.model: str | None = None
        self.loading = 0
        self.violations: list[str] = []
        self.jobs: set[str] = set()
        self.store: dict[tuple, bytes] = {}

    def count(self, method: str, what: str):
        self.methods.setdefault(method, {"started": 0, "ended": 0, "cancelled": 0, "denied": 0})[what] += 1


def encode(pairs) -> list[list[str]]:
    """Metadata as JSON; binary values in base64."""
    return [[key, base64.b64encode(value).decode() if isinstance(value, bytes) else value] for key, value in pairs]


def decode(pairs) -> tuple:
    return tuple((key, base64.b64decode(value) if key.endswith("-bin") else value) for key, value in pairs)


class Call:
    """One call on its way through the worker: its script and its answer's head."""

    def __init__(self, worker: "Worker", method: str, context):
        self.worker = worker
        self.method = method
        self.context = context
        self.metadata = [(key, value) for key, value in context.invocation_metadata()]
        self.script = json.loads(dict(self.metadata).get("x-script", "{}"))
        self.has_sent_headers = False

    async def headers(self):
        """Sends the response headers, once. Real workers send them with their first message, not before."""
        if not self.has_sent_headers:
            self.has_sent_headers = True
            initial = (("x-worker", self.worker.address), *decode(self.script.get("initial", [])))
            await self.context.send_initial_metadata(initial)

    async def begin(self):
        if self.script.get("early_headers"):
            await self.headers()
        if "block_s" in self.script:
            time.sleep(self.script["block_s"])
        if self.script.get("never"):
            await asyncio.Event().wait()
        if "delay_s" in self.script:
            await asyncio.sleep(self.script["delay_s"])

    async def finish(self):
        """Sets the trailers and, when the script says so, ends the call with a status."""
        trailing = decode(self.script.get("trailing", []))
        if "status" in self.script:
            code = grpc.StatusCode[self.script["status"]]
            await self.context.abort(code, self.script.get("details", ""), trailing)
        self.context.set_trailing_metadata((("x-worker-trailer", self.worker.address), *trailing))

    def payload(self, marker: str) -> bytes:
        """`marker`, made as long as the script wants."""
        return marker.encode().ljust(self.script.get("reply_bytes", 0), b".")


class Worker(grpc.GenericRpcHandler):
    """The handlers of every service, by path."""

    def __init__(self, requires_model: bool, load_delay: float, token: str | None = None):
        self.memory = Memory()
        self.address = ""
        self.requires_model = requires_model
        self.load_delay = load_delay
        self.token = token
        self.backend = methods()

    # MARK: - Finding the handler

    def service(self, details):
        path = details.method
        if path == "/test.Control/Snapshot":
            return grpc.unary_unary_rpc_method_handler(self.snapshot)
        if self.token is not None and ("authorization", f"Bearer {self.token}") not in details.invocation_metadata:
            self.memory.count(path, "denied")
            return grpc.unary_unary_rpc_method_handler(self.deny)
        raw = {
            "/test.Echo/Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
            "/test.Echo/Metadata": (grpc.unary_unary_rpc_method_handler, self.unary),
            "/test.Echo/Stream": (grpc.unary_stream_rpc_method_handler, self.stream),
            "/test.Echo/Collect": (grpc.stream_unary_rpc_method_handler, self.collect),
            "/test.Echo/Bidi": (grpc.stream_stream_rpc_method_handler, self.bidi),
        }
        if path in raw:
            make_handler, behaviour = raw[path]
            return make_handler(self.observed(path, behaviour, make_handler))
        if path not in self.backend:
            self.memory.count(path, "started")
            self.memory.count(path, "ended")
            return None
        method = self.backend[path]
        make_handler, behaviour = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self.unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, self.stream),
            (True, False): (grpc.stream_unary_rpc_method_handler, self.collect),
            (True, True): (grpc.stream_stream_rpc_method_handler, self.bidi),
        }[method.client_streaming, method.server_streaming]
        return make_handler(
            self.observed(path, behaviour, make_handler),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def observed(self, path: str, behaviour, make_handler):
        """`behaviour` with its start, its end and its cancellation written down."""
        memory = self.memory

        def arrive(context) -> Call:
            call = Call(self, path, context)
            memory.count(path, "started")
            memory.order.append(path)
            memory.peers.add(context.peer())
            memory.last[path] = {"metadata": encode(call.metadata), "time_remaining": context.time_remaining()}
            # A Health during a Predict is normal; only calls with work in them count as open.
            memory.open_calls += 0 if path.endswith("/Health") else 1
            return call

        def leave(cancelled: bool):
            memory.count(path, "cancelled" if cancelled else "ended")
            memory.open_calls -= 0 if path.endswith("/Health") else 1

        async def one(request, context):
            call = arrive(context)
            was_cancelled = False
            try:
                return await behaviour(call, request)
            except asyncio.CancelledError:
                was_cancelled = True
                raise
            finally:
                leave(was_cancelled)

        async def many(request, context):
            call = arrive(context)
            was_cancelled = True
            try:
                async for reply in behaviour(call, request):
                    yield reply
                was_cancelled = False
            except grpc.aio.AbortError:
                was_cancelled = False
                raise
            finally:
                leave(was_cancelled)

        streams = (grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler)
        return many if make_handler in streams else one

    async def deny(self, _, context):
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid token (worker)")

    # MARK: - Behaviours

    async def snapshot(self, _, context) -> bytes:
        memory = self.memory
        return json.dumps(
            {
                "address": self.address,
                "pid": os.getpid(),
                "methods": memory.methods,
                "order": memory.order,
                "last": memory.last,
                "open_calls": memory.open_calls,
                "connections": len(memory.peers),
                "model": memory.model,
                "violations": memory.violations,
            }
        ).encode()

    async def unary(self, call: Call, request):
        path = call.method
        if path == "/backend.Backend/Health":
            return make(pb.Reply, message="OK")
        if path == "/backend.Backend/LoadModel":
            return await self.load(call, request)
        if path == "/backend.Backend/Free":
            self.memory.model = None
            return make(pb.Result, message="freed", success=True)
        await self.check_model(call, request)
        await call.begin()
        if "status" in call.script:
            await call.finish()
        await call.headers()
        await call.finish()
        if path == "/test.Echo/Metadata":
            return json.dumps(encode(call.metadata)).encode()
        if isinstance(request, bytes):
            return request if "reply_bytes" not in call.script else call.payload("")
        response = self.backend[path].response
        if response is pb.Reply:
            return make(pb.Reply, message=call.payload(self.address))
        return await self.state_of_mine(call, path.rpartition("/")[2], request) or response()

    async def state_of_mine(self, call: Call, method: str, request):
        """The calls whose answers differ between workers; None for the others."""
        memory = self.memory
        if method in ("StartFineTune", "StartQuantization"):
            job = request.job_id or f"job-of-{self.address}-{len(memory.jobs)}"
            memory.jobs.add(job)
            return (pb.FineTuneJobResult if method == "StartFineTune" else pb.QuantizationJobResult)(
                job_id=job, success=True, message=self.address)
        if method in ("StopFineTune", "StopQuantization"):
            await self.check_job(call, request)
            return make(pb.Result, message=self.address, success=True)
        if method == "StoresSet":
            memory.store |= {tuple(key.Floats): value.Bytes for key, value in zip(request.Keys, request.Values)}
            return make(pb.Result, message=self.address, success=True)
        if method == "StoresGet":
            answer = pb.StoresGetResult()
            for key in request.Keys:
                if tuple(key.Floats) in memory.store:
                    answer.Keys.add().CopyFrom(key)
                    answer.Values.add().Bytes = memory.store[tuple(key.Floats)]
            return answer
        if method == "Status":
            return pb.StatusResponse(state=2, memory=pb.MemoryUsageData(total=1000))
        if method == "GetMetrics":
            return pb.MetricsResponse(
                slot_id=3, tokens_per_second=10.5, tokens_generated=5, prompt_tokens_processed=7)
        if method == "ModelMetadata":
            return make(pb.ModelMetadataResponse, supports_thinking=True, rendered_template=self.address)
        return None

    async def check_job(self, call: Call, request):
        if request.job_id not in self.memory.jobs:
            await call.context.abort(grpc.StatusCode.NOT_FOUND, "no such job")

    async def stream(self, call: Call, request):
        await self.check_model(call, request)
        if call.method.endswith(("FineTuneProgress", "QuantizationProgress")):
            await self.check_job(call, request)
        await call.begin()
        count = call.script.get("messages", 3)
        for index in range(count):
            if index > 0 and "interval_s" in call.script:
                await asyncio.sleep(call.script["interval_s"])
            await call.headers()
            payload = call.payload(f"{self.address} {index}")
            if isinstance(request, bytes):
                yield payload
            else:
                response = self.backend[call.method].response
                yield make(pb.Reply, message=payload) if response is pb.Reply else response()
        await call.finish()

    async def collect(self, call: Call, requests):
        await call.begin()
        sizes = [len(request) if isinstance(request, bytes) else request.ByteSize() async for request in requests]
        await call.headers()
        await call.finish()
        return json.dumps({"messages": len(sizes), "bytes": sum(sizes), "worker": self.address}).encode()

    async def bidi(self, call: Call, requests):
        """Ping-pong: one answer per request, as soon as it is there; ends when the caller has closed its half."""
        await call.begin()
        await call.headers()
        async for request in requests:
            if isinstance(request, bytes):
                yield request
            elif isinstance(request, getattr(pb, "AudioToAudioRequest", ())):
                yield make(pb.AudioToAudioResponse, event=self.address, pcm=request.frame.pcm)
            else:
                yield self.backend[call.method].response()
        # A caller's RST_STREAM ends the requests, too, and grpcio cancels this only a moment later.
        await asyncio.sleep(0.005)
        await call.finish()

    # MARK: - The model

    async def load(self, call: Call, request):
        """What real workers do not survive is written down as a violation instead of dying of it."""
        memory = self.memory
        if memory.loading:
            memory.violations.append("two LoadModel at once")
        if memory.open_calls > 1:
            memory.violations.append("LoadModel while a call was open")
        if memory.model is not None and memory.model == text(request.Model):
            memory.violations.append("LoadModel of the model that is already there")
        memory.loading += 1
        try:
            await asyncio.sleep(self.load_delay)
            if text(request.Model) == "missing":
                await call.context.abort(grpc.StatusCode.INTERNAL, "Failed to load model: no file")
            memory.model = text(request.Model)
        finally:
            memory.loading -= 1
        return make(pb.Result, message="loaded", success=True)

    async def check_model(self, call: Call, request):
        if not call.method.startswith("/backend.Backend/"):
            return
        if self.requires_model and self.memory.model is None:
            await call.context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Model not loaded")
        wanted = text(getattr(request, "ModelIdentity", ""))
        if wanted and self.memory.model and wanted != self.memory.model:
            await call.context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"model identity mismatch: this worker holds {self.memory.model}, asked for {wanted}",
            )


def tls_credentials(arguments) -> grpc.ServerCredentials | None:
    if not arguments.tls:
        return None
    certificate, key = (pathlib.Path(path).read_bytes() for path in arguments.tls)
    authority = pathlib.Path(arguments.client_ca).read_bytes() if arguments.client_ca else None
    return grpc.ssl_server_credentials([(key, certificate)], authority, authority is not None)


async def serve(arguments):
    worker = Worker(arguments.requires_model, arguments.load_delay, arguments.token)
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
    )
    server.add_generic_rpc_handlers((worker,))
    listen = arguments.listen or f"127.0.0.1:{arguments.port}"
    credentials = tls_credentials(arguments)
    port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    worker.address = listen if listen.startswith("unix:") else f"{listen.rsplit(':', 1)[0]}:{port}"
    line = f"worker grpc={worker.address}"
    if arguments.listen or arguments.token or credentials:
        line += f" control=127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    print(line, flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--requires-model", action="store_true", help="refuse calls until LoadModel")
    parser.add_argument("--load-delay", type=float, default=0.0, help="seconds that a LoadModel takes")
    parser.add_argument("--listen", help="instead of --port: [v6]:port or unix:/path")
    parser.add_argument("--token", help="refuse calls without this bearer token")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files")
    parser.add_argument("--client-ca", help="refuse callers without a certificate of this authority")
    asyncio.run(serve(parser.parse_args()))

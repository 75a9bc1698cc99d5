"""Many calls at once: on one connection, and on a connection each."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio

from client import BIDI, ECHO, OPTIONS, PREDICT_STREAM, prompt, script

STREAMS = 500


def test_five_hundred_streams_are_open_on_one_connection_at_once(relay):
    async def run():
        async with grpc.aio.insecure_channel(relay.address, options=OPTIONS) as channel:
            bidi = channel.stream_stream(BIDI)
            calls = [bidi(timeout=60) for _ in range(STREAMS)]

            async def ping(call, message: bytes):
                await call.write(message)
                assert await call.read() == message

            for turn in range(3):
                await asyncio.gather(*(ping(call, b"%d %d" % (turn, n)) for n, call in enumerate(calls)))
            # Nobody has hung up: all of them are open now.
            assert await asyncio.to_thread(relay.open_calls) == STREAMS
            if relay.homing:
                metrics = await asyncio.to_thread(relay.homing.metrics)
                assert sum(value for _, value in metrics.named("homing_streams_active")) == STREAMS
                assert sum(value for _, value in metrics.named("homing_replica_in_flight")) == STREAMS
            for call in calls:
                await call.done_writing()
            codes = await asyncio.gather(*(call.code() for call in calls))
            assert codes == [grpc.StatusCode.OK] * STREAMS

    asyncio.run(run())


def test_a_connection_for_every_call_as_localai_makes_them(relay):
    def one(number: int) -> bool:
        with relay.client() as client:
            return client.call(ECHO, b"%d" % number).reply == b"%d" % number

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))


def test_calls_of_every_kind_share_a_connection(relay):
    with relay.client() as client:
        streams = [client.start(PREDICT_STREAM, prompt("s"), script(messages=30, reply_bytes=3_000)) for _ in range(50)]
        large = [client.start(ECHO, bytes([n]) * 1_000_000) for n in range(10)]
        failing = [client.start(ECHO, b"", script(status="NOT_FOUND", details="x")) for _ in range(50)]
        never = [client.start(ECHO, b"", script(never=True)) for _ in range(20)]
        for call in never:
            call.cancel()
        assert all(call.outcome().code is grpc.StatusCode.NOT_FOUND for call in failing)
        assert [call.outcome().reply for call in large] == [bytes([n]) * 1_000_000 for n in range(10)]
        assert all(len(call.outcome().replies) == 30 for call in streams)

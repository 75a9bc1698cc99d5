"""Streams of all kinds, callers that give up at random, workers that are killed and restarted meanwhile.

    python stress.py [STREAMS] [SEED]

Ends with a table of how the streams ended, or with the first promise that was broken: nothing but streams that were
being answered fails, those end with ABORTED, and afterwards nothing is held and memory is back at its level.
"""

import argparse
import asyncio
import collections
import random
import threading
import time

import grpc
import grpc.aio

from client import BIDI, COLLECT, ECHO, OPTIONS, PREDICT, PREDICT_STREAM, prompt, script
from fleet import Fleet, launch
from processes import wait_until
from stubs import pb

#: Streams under way at a time, and connections that they share.
CONCURRENCY = 96
CONNECTIONS = 12
#: Seconds between one worker's return and the next one's death.
LIFE = 1.0
#: Streams before the level of memory is taken.
WARM_UP = 500


class Stress:
    def __init__(self, fleet: Fleet, streams: int, seed: int):
        self.fleet = fleet
        self.left = streams
        self.random = random.Random(seed)
        self.ends = collections.Counter()
        self.broken: list[str] = []
        self.kills = 0

    # MARK: - Streams

    def broke(self, what: str):
        self.broken.append(what)
        self.left = 0

    def judge(self, kind: str, code, details: str, answered: bool, may_repeat: bool, gave_up: bool):
        """What may have become of one stream."""
        if details == "Internal error from Core" and kind in (BIDI, COLLECT):
            # grpcio's asyncio caller forgets the status of a call that ended while it wrote.
            self.ends[f"{kind} ended while the caller wrote"] += 1
            return
        self.ends[f"{kind} {code.name}"] += 1
        allowed = {grpc.StatusCode.OK}
        if gave_up:
            allowed |= {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
        if answered or not may_repeat:
            allowed.add(grpc.StatusCode.ABORTED)
        if code not in allowed:
            self.broke(f"{kind} ended with {code.name}: {details} (answered: {answered}, gave up: {gave_up})")

    async def unary(self, channel, path: str, request: bytes, gives_up: bool):
        call = channel.unary_unary(path)(
            request, timeout=60, metadata=tuple(script(delay_s=self.random.choice([0, 0, 0, 0.01, 0.05])))
        )
        if gives_up:
            await asyncio.sleep(self.random.random() * 0.02)
            call.cancel()
        try:
            await call
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        # Both ABORTED after the headers and a cancelled call are the end of an answer that had begun.
        answered = bool(await self.head(call))
        self.judge(path, await call.code(), await call.details(), answered, path == PREDICT, gives_up)

    async def head(self, call):
        try:
            return await call.initial_metadata()
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            return None

    async def stream(self, channel, request: bytes, gives_up: bool):
        metadata = tuple(script(messages=self.random.randint(1, 20), interval_s=0.002, reply_bytes=200))
        call = channel.unary_stream(PREDICT_STREAM)(request, timeout=60, metadata=metadata)
        replies = 0
        limit = self.random.randint(0, 10) if gives_up else None
        try:
            async for _ in call:
                replies += 1
                if replies == limit:
                    call.cancel()
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        answered = replies > 0 or bool(await self.head(call))
        self.judge(PREDICT_STREAM, await call.code(), await call.details(), answered, True, gives_up)

    async def two_way(self, channel, gives_up: bool):
        call = channel.stream_stream(BIDI)(timeout=60)
        try:
            for _ in range(self.random.randint(1, 6)):
                await call.write(b"x" * self.random.randint(0, 20_000))
                await call.read()
                if gives_up and self.random.random() < 0.3:
                    call.cancel()
            await call.done_writing()
            while await call.read() is not grpc.aio.EOF:
                pass
        except (grpc.aio.AioRpcError, asyncio.CancelledError, asyncio.InvalidStateError):
            pass
        self.judge(BIDI, await call.code(), await call.details(), True, False, gives_up)

    async def upload(self, channel, gives_up: bool):
        async def pieces():
            for _ in range(self.random.randint(0, 10)):
                if gives_up and self.random.random() < 0.2:
                    call.cancel()
                yield b"x" * self.random.randint(0, 50_000)

        call = channel.stream_unary(COLLECT)(pieces(), timeout=60)
        try:
            await call
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        self.judge(COLLECT, await call.code(), await call.details(), True, False, gives_up)

    async def deadline(self, channel, request: bytes):
        metadata = tuple(script(never=True))
        call = channel.unary_unary(PREDICT)(request, timeout=self.random.random() * 0.05, metadata=metadata)
        try:
            await call
        except grpc.aio.AioRpcError:
            pass
        self.judge("deadline", await call.code(), await call.details(), False, True, True)

    async def vanish(self):
        """A connection that is cut in the middle of its streams."""
        channel = grpc.aio.insecure_channel(self.fleet.address, options=OPTIONS)
        calls = [
            channel.unary_stream(PREDICT_STREAM)(
                # grpcio lets a call of a closed channel that had no connection yet wait for its deadline.
                prompt("vanishing").SerializeToString(),
                timeout=2,
                metadata=tuple(script(messages=50, interval_s=0.01)),
            )
            for _ in range(3)
        ]
        await asyncio.sleep(self.random.random() * 0.05)
        await channel.close(None)
        for call in calls:
            code = await call.code()
            self.judge("vanished", code, await call.details(), True, True, True)

    async def caller(self, channels):
        while self.left > 0:
            self.left -= 1
            channel = self.random.choice(channels)
            gives_up = self.random.random() < 0.25
            text = f"conversation {self.random.randint(0, 40)} " * self.random.randint(1, 100)
            request = prompt(text).SerializeToString()
            match self.random.random():
                case dice if dice < 0.35:
                    await self.unary(channel, PREDICT, request, gives_up)
                case dice if dice < 0.65:
                    await self.stream(channel, request, gives_up)
                case dice if dice < 0.75:
                    await self.unary(channel, ECHO, b"echo", gives_up)
                case dice if dice < 0.85:
                    await self.two_way(channel, gives_up)
                case dice if dice < 0.92:
                    await self.upload(channel, gives_up)
                case dice if dice < 0.98:
                    await self.deadline(channel, request)
                case _:
                    self.left -= 2
                    await self.vanish()

    async def run(self):
        channels = [grpc.aio.insecure_channel(self.fleet.address, options=OPTIONS) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(self.caller(channels) for _ in range(CONCURRENCY)))
        for channel in channels:
            await channel.close()

    # MARK: - Workers

    def kill_on_and_on(self, stopped: threading.Event):
        """One worker at a time, and the next one when the last is back."""
        while not stopped.wait(LIFE):
            victim = self.random.choice(self.fleet.workers)
            victim.kill()
            self.kills += 1
            victim.restart()
            states = lambda: {row["address"]: row["state"] for row in self.fleet.homing.replicas().values()}
            wait_until(lambda: states()[victim.address] == "available", f"{victim.address} is back", 30)


def resident(fleet: Fleet) -> int:
    """Kilobytes."""
    with open(f"/proc/{fleet.homing.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def stress(streams: int, seed: int, arguments: tuple[str, ...] = ()) -> dict:
    """Runs everything and returns the figures; fails with the first broken promise."""
    fleet = launch(3, *arguments)
    try:
        warm = Stress(fleet, WARM_UP, seed)
        asyncio.run(warm.run())
        fleet.expect_quiet()
        level = resident(fleet)

        main = Stress(fleet, streams, seed + 1)
        stopped = threading.Event()
        failures = []

        def kill():
            try:
                main.kill_on_and_on(stopped)
            except BaseException as error:
                failures.append(error)
                main.left = 0

        killer = threading.Thread(target=kill)
        killer.start()
        started = time.monotonic()
        asyncio.run(main.run())
        took = time.monotonic() - started
        stopped.set()
        killer.join()
        assert not failures, failures[0]
        if main.broken:
            named = ("homing_defences_total", "homing_protocol_errors_total", "homing_local_replies_total")
            counts = [sample for sample in fleet.homing.metrics().samples if sample[0] in named and sample[2]]
            aborted = [line for line in fleet.homing.access_lines() if "grpc_status_name=ABORTED" in line]
            raise AssertionError("\n".join([f"seed {seed}: {main.broken[0]}", str(counts), *aborted[-20:], fleet.homing.tail()]))
        fleet.expect_quiet()
        rows = fleet.homing.replicas().values()
        assert all(row["in_flight"] == 0 for row in rows), rows
        wait_until(lambda: resident(fleet) < level + 48_000, f"memory is back at {level} kB, now {resident(fleet)} kB")
        return {
            "streams": sum(main.ends.values()),
            "seconds": round(took, 1),
            "kills": main.kills,
            "resident_kB": [level, resident(fleet)],
            "retries": fleet.homing.metrics().sum("homing_retries_total"),
            "ends": dict(sorted(main.ends.items())),
        }
    finally:
        fleet.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", type=int, nargs="?", default=3_000)
    parser.add_argument("seed", type=int, nargs="?", default=random.randrange(2**32))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    figures = stress(chosen.streams, chosen.seed)
    ends = figures.pop("ends")
    print(*(f"{name}: {value}" for name, value in figures.items()), sep="\n")
    print(*(f"  {count:7} {name}" for name, count in ends.items()), sep="\n")

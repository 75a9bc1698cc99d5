"""Faults of real worker processes under a steady load, through homing and beside it through nghttpx and HAProxy.

    python chaos.py [--short] [--proxies homing,nghttpx,haproxy] [--faults NAME,…] [--rate N] [--workers N]

For each fault it prints, for each proxy: calls and how those that failed ended, how many failed without a byte of an
answer, how many were retried, the time until the replica was out and back and its share of the traffic two seconds
after that, the 99th percentile of the time to the first message before and during the fault, answers that took over
one and over two seconds, and what is left in flight. Leaves with 1 when homing misses one of its goals:

    - no call fails that had no byte of an answer, while another replica is alive
    - nothing answers UNAVAILABLE while a replica is alive
    - a killed worker is out within 100 ms
    - a worker that hangs costs at most 5 answers over 1 s and none over 2 s (of those that had not begun)
    - a worker that is back has 90 % of its fair share of new prompts two seconds later, give or take one standard deviation
    - no probe on the path of a call, nothing left in flight, no drift in the count
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import grpc.aio

from client import OPTIONS, PREDICT, PREDICT_STREAM, prompt
from fleet import Homing
from processes import Process, program, wait_until

#: The model that every call names.
MODEL = "nest"
#: Seconds after which a call is given up by its caller.
PATIENCE = 30
CONNECTIONS = 8
#: Tokens of an answer, and how many of them a worker makes in a second.
TOKENS, TOKENS_PER_S = 8, 200
#: An answer that takes longer than this is late, or far too late.
LATE, FAR_TOO_LATE = 1.0, 2.0


# MARK: - Processes


class LlmWorker(Process):
    """`homing worker`, on a port that it keeps over restarts."""

    def __init__(self, *arguments: str):
        self.port = free_port()
        self.arguments = arguments
        super().__init__(self.command_line(MODEL), r"^homing worker serving grpc=(\S+)|serving")

    def command_line(self, model: str) -> list[str]:
        return [
            program(), "worker", "--listen", self.address, "--model", model, "--slots", "64",
            "--prefill-tokens-per-s", "20000", "--decode-tokens-per-s", str(TOKENS_PER_S), *self.arguments,
        ]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def started(self) -> "LlmWorker":
        wait_until(lambda: listens(self.port), f"{self.address} listens\n{self.tail()}", 20)
        return self

    def again(self, model: str = MODEL):
        """A new process on the same port."""
        if self.is_running:
            self.kill()
        self.command = [str(part) for part in self.command_line(model)]
        self.launch()
        self.started()

    def snapshot(self) -> dict:
        """What a worker of worker.py would say of itself; this one tells nothing."""
        return {"open_calls": 0, "violations": []}

    def stop(self):
        if self.is_running:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


class Mute:
    """Takes connections, and neither reads nor says anything."""

    def __init__(self, port: int):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        # The kernel accepts on its own.
        self.socket.listen(4096)

    def close(self):
        self.socket.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class HomingProxy:
    name = "homing"

    def __init__(self, workers: list[LlmWorker], folder: pathlib.Path):
        configuration = {
            "listeners": ["127.0.0.1:0"],
            "access_log": {"enabled": False},
            "clusters": [
                {
                    "name": "chaos",
                    "models": [MODEL],
                    "probe": {"interval_ms": 1000, "deadline_ms": 300},
                    "replicas": [worker.address for worker in workers],
                }
            ],
        }
        path = folder / "homing.yaml"
        path.write_text(json.dumps(configuration))
        self.process = Homing([], "-c", str(path)).started()
        self.process.await_probed()
        self.address = self.process.address

    def replicas(self) -> dict[str, dict]:
        return self.process.replicas()

    def count(self, metric: str, **labels: str) -> float:
        return self.process.metrics().sum(metric, **labels)

    def left_in_flight(self) -> int:
        return int(
            sum(row["in_flight"] for row in self.replicas().values()) + self.count("homing_streams_active")
        )

    def stop(self):
        self.process.terminate()


class OtherProxy:
    """A proxy without an eye inside."""

    def __init__(self, command: list[str], port: int, ready_port: int):
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = f"127.0.0.1:{port}"
        wait_until(lambda: listens(ready_port), f"{command[0]} listens", 20)

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Nghttpx(OtherProxy):
    name = "nghttpx"

    def __init__(self, workers: list[LlmWorker], folder: pathlib.Path):
        port = free_port()
        backends = [f"-b127.0.0.1,{worker.port};/;proto=h2;fall=2;rise=1" for worker in workers]
        settings = ["--conf=/dev/null", "-n2", "--single-process", "-LFATAL"]
        super().__init__(["nghttpx", *settings, f"-f127.0.0.1,{port};no-tls", *backends], port, port)


class HAProxy(OtherProxy):
    name = "haproxy"

    def __init__(self, workers: list[LlmWorker], folder: pathlib.Path):
        port = free_port()
        servers = "\n".join(
            f"    server w{number} {worker.address} proto h2 check inter 500 fall 2 rise 1 observe layer4 on-error mark-down"
            for number, worker in enumerate(workers)
        )
        path = folder / "haproxy.cfg"
        path.write_text(
            f"""global
    nbthread 2
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    retries 3
    retry-on conn-failure empty-response response-timeout 0rtt-rejected
    option redispatch 1
frontend callers
    bind 127.0.0.1:{port} proto h2
    default_backend workers
backend workers
    balance leastconn
{servers}
"""
        )
        super().__init__(["haproxy", "-db", "-f", str(path)], port, port)


PROXIES = {"homing": HomingProxy, "nghttpx": Nghttpx, "haproxy": HAProxy}


# MARK: - Load


@dataclasses.dataclass
class Answer:
    """How one call went; times in seconds of the monotonic clock."""

    started: float
    first: float | None
    ended: float
    code: str
    details: str
    #: Where a prompt went that no worker can hold any of; empty for the others, and where the proxy does not say.
    fresh_at: str = ""

    @property
    def wait(self) -> float:
        """Until the first message, or the end when there was none."""
        return (self.first or self.ended) - self.started

    @property
    def failed(self) -> bool:
        return self.code != "OK"


class Load:
    """Unary and streaming calls in turn, so many in a second whatever becomes of them."""

    def __init__(self, address: str, rate: float, seed: int):
        self.address = address
        self.rate = rate
        self.random = random.Random(seed)
        self.answers: list[Answer] = []
        self.tasks: set[asyncio.Task] = set()
        self.stopped = False

    async def call(self, channel, streams: bool, request: bytes, is_fresh: bool):
        started = time.monotonic()
        first = None
        asks = (("x-homing-explain", "1"),) if is_fresh else ()
        if streams:
            call = channel.unary_stream(PREDICT_STREAM)(request, timeout=PATIENCE, metadata=asks)
            try:
                async for _ in call:
                    first = first or time.monotonic()
            except (grpc.aio.AioRpcError, asyncio.CancelledError):
                pass
        else:
            call = channel.unary_unary(PREDICT)(request, timeout=PATIENCE, metadata=asks)
            try:
                await call
                first = time.monotonic()
            except (grpc.aio.AioRpcError, asyncio.CancelledError):
                pass
        code, details = await call.code(), await call.details()
        at = dict(await call.initial_metadata() or ()).get("x-homing-replica", "") if is_fresh else ""
        self.answers.append(Answer(started, first, time.monotonic(), code.name, details or "", at))

    async def run(self):
        channels = [grpc.aio.insecure_channel(self.address, options=OPTIONS) for _ in range(CONNECTIONS)]
        began, number = time.monotonic(), 0
        while not self.stopped:
            # Half of the prompts continue one of a few conversations.
            head = f"system prompt of conversation {self.random.randrange(12)} " * 20
            is_fresh = self.random.random() < 0.5
            text = str(self.random.random()) * 8 if is_fresh else head + str(self.random.random())
            request = prompt(text, Tokens=TOKENS, ModelIdentity=MODEL).SerializeToString()
            task = asyncio.create_task(self.call(channels[number % CONNECTIONS], number % 2 == 0, request, is_fresh))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            number += 1
            await asyncio.sleep(max(0, began + number / self.rate - time.monotonic()))
        while self.tasks:
            await asyncio.wait(list(self.tasks))
        for channel in channels:
            await channel.close()


# MARK: - Faults


class Scene:
    """What a fault may do: to workers, and to the clock."""

    def __init__(self, workers: list[LlmWorker], proxy, scale: float):
        self.workers = workers
        self.proxy = proxy
        self.scale = scale
        self.began = 0.0
        self.repaired = 0.0
        #: Seconds after the fault until the first worker was out of the candidates.
        self.out: float | None = None
        #: When it was back, and when nobody at all was alive.
        self.back: float | None = None
        self.dark: tuple[float, float] | None = None
        #: When its share was looked at.
        self.shared: tuple[float, float] | None = None
        #: One standard deviation of such a share by chance alone: a short run sees few prompts.
        self.spread = 0.0

    @property
    def victim(self) -> LlmWorker:
        return self.workers[0]

    async def pause(self, seconds: float):
        await asyncio.sleep(seconds * self.scale)

    def fault(self):
        self.began = time.monotonic()

    def repair(self):
        self.repaired = time.monotonic()

    async def state(self) -> dict:
        return (await asyncio.to_thread(self.proxy.replicas))[self.victim.address]

    async def watch(self):
        """Follows the victim's state, for proxies that tell it."""
        if not hasattr(self.proxy, "replicas"):
            return
        while not self.began:
            await asyncio.sleep(0.002)
        while self.out is None:
            row = await self.state()
            now = time.monotonic()
            # The state that it was in before may show for an instant.
            if row["state"] != "available":
                self.out = max(0.0, now - row["since_ms"] / 1000 - self.began)
            await asyncio.sleep(0.01)
        while not self.repaired:
            await asyncio.sleep(0.01)
        while True:
            row = await self.state()
            if row["state"] == "available" and time.monotonic() - row["since_ms"] / 1000 > self.began + self.out:
                self.back = max(0.0, time.monotonic() - row["since_ms"] / 1000 - self.repaired)
                break
            await asyncio.sleep(0.02)
        # From two to four seconds after its return its share is looked at.
        self.shared = (self.repaired + self.back + 2, self.repaired + self.back + 4)
        await asyncio.sleep(max(0, self.shared[1] - time.monotonic()))

    def share(self, answers: list[Answer]) -> float | None:
        """The worker's part of the fair share, of prompts that nobody holds: others are better off where they were."""
        if self.shared is None:
            return None
        fresh = [answer.fresh_at for answer in answers if answer.fresh_at and self.shared[0] <= answer.started < self.shared[1]]
        self.spread = (0.9 * len(self.workers) / max(1, len(fresh))) ** 0.5
        return fresh.count(self.victim.address) / max(1, len(fresh)) * len(self.workers)


async def in_thread(body, *arguments):
    return await asyncio.to_thread(body, *arguments)


async def kill(scene: Scene):
    scene.victim.process.kill()
    scene.fault()
    await scene.pause(3)
    await in_thread(scene.victim.again)
    scene.repair()


async def terminate(scene: Scene):
    scene.victim.process.terminate()
    scene.fault()
    await scene.pause(3)
    await in_thread(scene.victim.again)
    scene.repair()


async def stop(scene: Scene):
    scene.victim.process.send_signal(signal.SIGSTOP)
    scene.fault()
    await scene.pause(10)
    scene.victim.process.send_signal(signal.SIGCONT)
    scene.repair()


async def restart(scene: Scene):
    scene.victim.process.kill()
    scene.fault()
    await in_thread(scene.victim.again)
    scene.repair()


async def recycled(scene: Scene):
    scene.victim.process.kill()
    scene.fault()
    await in_thread(scene.victim.again, "somebody-elses")
    await scene.pause(3)
    await in_thread(scene.victim.again)
    scene.repair()


async def slow_health(scene: Scene):
    """A long call holds up the Health of the victim, which goes on serving."""
    scene.fault()
    async with grpc.aio.insecure_channel(scene.victim.address, options=OPTIONS) as channel:
        long = prompt("a long call", Tokens=int(TOKENS_PER_S * 5 * scene.scale), ModelIdentity=MODEL)
        await channel.unary_unary(PREDICT)(long.SerializeToString(), timeout=60)
    scene.repair()


async def mute(scene: Scene):
    scene.victim.kill()
    scene.fault()
    peer = Mute(scene.victim.port)
    await scene.pause(5)
    peer.close()
    await in_thread(scene.victim.again)
    scene.repair()


async def half(scene: Scene):
    victims = scene.workers[: len(scene.workers) // 2]
    for worker in victims:
        worker.process.kill()
    scene.fault()
    await scene.pause(3)
    await asyncio.gather(*(in_thread(worker.again) for worker in victims))
    scene.repair()


async def everybody(scene: Scene):
    for worker in scene.workers:
        worker.process.kill()
    scene.fault()
    await scene.pause(2)
    await asyncio.gather(*(in_thread(worker.again) for worker in scene.workers))
    scene.repair()
    scene.dark = (scene.began, scene.repaired)


FAULTS = {
    "kill": kill,
    "term": terminate,
    "stop": stop,
    "restart": restart,
    "recycled": recycled,
    "slow-health": slow_health,
    "mute": mute,
    "half": half,
    "all": everybody,
}


# MARK: - Judging


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else (values[0] if values else 0.0)


@dataclasses.dataclass
class Row:
    fault: str
    proxy: str
    calls: int
    failed: dict[str, int]
    failed_before_answer: int
    retried: int | None
    out_ms: float | None
    back_ms: float | None
    share: float | None
    p99_before_ms: float
    p99_during_ms: float
    late: int
    far_too_late: int
    left_in_flight: int | None
    probes: int | None
    misses: list[str]

    def text(self) -> str:
        def shown(value, form="{:.0f}"):
            return "-" if value is None else form.format(value)

        failed = ",".join(f"{name}:{count}" for name, count in sorted(self.failed.items())) or "0"
        return (
            f"{self.fault:<12}{self.proxy:<9}{self.calls:>6}  {failed:<28}{self.failed_before_answer:>7}"
            f"{shown(self.retried):>8}{shown(self.out_ms):>8}{shown(self.back_ms):>8}{shown(self.share, '{:.2f}'):>7}"
            f"{self.p99_before_ms:>8.0f}{self.p99_during_ms:>8.0f}{self.late:>5}{self.far_too_late:>5}"
            f"{shown(self.left_in_flight):>6}"
        )


HEADING = (
    f"{'fault':<12}{'proxy':<9}{'calls':>6}  {'failed':<28}{'no byte':>7}{'retried':>8}{'out ms':>8}{'back ms':>8}"
    f"{'share':>7}{'p99 ms':>8}{'during':>8}{'>1s':>5}{'>2s':>5}{'left':>6}"
)


def judge(fault: str, proxy, scene: Scene, answers: list[Answer], retried, left, drift, probes) -> Row:
    end = scene.repaired + 1
    before = [answer for answer in answers if answer.ended < scene.began]
    during = [answer for answer in answers if answer.ended >= scene.began and answer.started <= end]
    failed = [answer for answer in answers if answer.failed]
    # A worker that listens needs a moment until it is found.
    was_dark = lambda answer: scene.dark and scene.dark[0] - 0.1 <= answer.ended and answer.started <= scene.dark[1] + 2
    no_byte = [answer for answer in failed if answer.first is None and not was_dark(answer)]
    unavailable = [answer for answer in failed if answer.code == "UNAVAILABLE" and not was_dark(answer)]
    good = [answer for answer in during if not answer.failed]
    late = [answer for answer in during if answer.wait > LATE and not was_dark(answer)]
    far = [answer for answer in late if answer.wait > FAR_TOO_LATE]
    share = scene.share(answers) if proxy.name == "homing" else None
    misses = []
    if proxy.name == "homing":
        if no_byte:
            misses.append(f"{len(no_byte)} calls failed without a byte of an answer, as {no_byte[0].code}: {no_byte[0].details}")
        if unavailable:
            misses.append(f"{len(unavailable)} calls were UNAVAILABLE: {unavailable[0].details}")
        if fault in ("kill", "restart", "half") and (scene.out is None or scene.out > 0.1):
            misses.append(f"the killed worker was out after {scene.out} s")
        if fault in ("stop", "mute") and (len(late) > 5 or far):
            misses.append(f"{len(late)} answers over {LATE} s, {len(far)} over {FAR_TOO_LATE} s")
        if fault == "slow-health" and scene.out is not None:
            misses.append("a busy worker was taken out")
        if share is not None and share < 0.9 - scene.spread and fault != "slow-health":
            misses.append(f"two seconds after its return the worker has {share:.2f} of its fair share")
        if left:
            misses.append(f"{left} left in flight")
        if drift:
            misses.append(f"the count in flight drifted by {drift}")
        if probes > len(answers) / 4:
            misses.append(f"{probes} probes for {len(answers)} calls")
    return Row(
        fault, proxy.name, len(answers), dict(collections.Counter(answer.code for answer in failed)), len(no_byte),
        retried, None if scene.out is None else scene.out * 1000, None if scene.back is None else scene.back * 1000,
        share, p99([answer.wait for answer in before if not answer.failed]) * 1000,
        p99([answer.wait for answer in good]) * 1000, len(late), len(far), left, probes, misses,
    )


async def play(fault: str, proxy, workers: list[LlmWorker], rate: float, scale: float, seed: int):
    scene = Scene(workers, proxy, scale)
    load = Load(proxy.address, rate, seed)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(max(1.5, 4 * scale))
    watching = asyncio.create_task(scene.watch())
    await FAULTS[fault](scene)
    await asyncio.sleep(1)
    if fault == "slow-health":
        watching.cancel()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(watching, 20)
    load.stopped = True
    await running
    return scene, load.answers


def run(fault: str, name: str, rate: float, count: int, scale: float, seed: int) -> Row:
    """One fault through one proxy, with workers of its own."""
    arguments = ["--busy-health"] if fault == "slow-health" else []
    workers = [LlmWorker(*arguments) for _ in range(count)]
    proxy = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            for worker in workers:
                worker.started()
            proxy = PROXIES[name](workers, pathlib.Path(folder))
            looks_inside = hasattr(proxy, "count")
            scene, answers = asyncio.run(play(fault, proxy, workers, rate, scale, seed))
            retried = left = probes = None
            drift = 0
            if looks_inside:
                with contextlib.suppress(AssertionError):
                    wait_until(lambda: proxy.left_in_flight() == 0, "nothing is in flight", 5)
                left = proxy.left_in_flight()
                retried = int(proxy.count("homing_retries_total"))
                drift = int(proxy.count("homing_in_flight_drift_total"))
                probes = int(proxy.count("homing_probes_total"))
            return judge(fault, proxy, scene, answers, retried, left, drift, probes)
        finally:
            if proxy:
                proxy.stop()
            for worker in workers:
                worker.stop()


def main(arguments) -> int:
    scale = 0.3 if arguments.short else 1.0
    print(f"seed {arguments.seed}, {arguments.rate:.0f} calls/s over {arguments.workers} workers", flush=True)
    print(HEADING, flush=True)
    misses = []
    for fault in arguments.faults.split(","):
        for name in arguments.proxies.split(","):
            row = run(fault, name, arguments.rate, arguments.workers, scale, arguments.seed)
            print(row.text(), flush=True)
            for miss in row.misses:
                print(f"    MISSED: {miss}", flush=True)
            misses += row.misses
    print("every goal was met" if not misses else f"{len(misses)} goals were missed")
    return 1 if misses else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="faults last a third as long")
    parser.add_argument("--proxies", default="homing,nghttpx,haproxy")
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--rate", type=float, default=200, help="calls per second")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    sys.exit(main(parser.parse_args()))

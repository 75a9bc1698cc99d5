"""Workers with the program in front of them, or without it, and what must be true of them after every test."""

import json
import re
import urllib.error
import urllib.request

from client import Client
from processes import Process, Worker, program, wait_until

SERVING = r"^homing serving grpc=(\S+) admin=(\S+) clusters=(\d+) replicas=(\d+)$"
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One reading of `/metrics`."""

    def __init__(self, text: str):
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, f"not a Prometheus sample: {line!r}"
                labels = dict(LABEL.findall(match[2] or ""))
                self.samples.append((match[1], labels, float(match[3])))

    def named(self, name: str) -> list[tuple[dict[str, str], float]]:
        found = [(labels, value) for sample, labels, value in self.samples if sample == name]
        assert found, f"/metrics has no {name}"
        return found

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples that carry these labels; 0 when the name is there and none of them does."""
        named = [(held, value) for sample, held, value in self.samples if sample == name]
        return sum(value for held, value in named if labels.items() <= held.items())


class Homing(Process):
    """`homing serve` in front of replicas, on a port of its own unless a configuration file names listeners."""

    def __init__(self, replicas: list[str], *arguments: str):
        command = [program(), "serve", "--admin", "127.0.0.1:0"]
        if "-c" not in arguments:
            command += ["--listen", "127.0.0.1:0"]
        for replica in replicas:
            command += ["--replica", replica]
        super().__init__([*command, *arguments], SERVING)

    def await_probed(self):
        """Returns when the program is ready for calls."""
        wait_until(lambda: self.get("/ready")[0] == 200, "/ready answers 200")
        # Until its first probe a replica is only a last resort, and tests mean the fleet after that.
        states = lambda: [replica["state"] for replica in self.replicas().values()]
        wait_until(lambda: "unknown" not in states(), "every replica has been probed")

    def started(self) -> "Homing":
        match = self.await_ready()
        self.addresses = match[1].split(",")
        self.address = self.addresses[0]
        self.admin = match[2]
        return self

    def get(self, path: str) -> tuple[int, str]:
        """An answer of the admin port: its HTTP status and its body."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.admin}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> Metrics:
        status, body = self.get("/metrics")
        assert status == 200, body
        return Metrics(body)

    def replicas(self) -> dict[str, dict]:
        """`/api/replicas` by address."""
        status, body = self.get("/api/replicas")
        assert status == 200, body
        answer = json.loads(body)
        rows = answer if isinstance(answer, list) else answer["replicas"]
        return {row["address"]: row for row in rows}

    def access_lines(self) -> list[str]:
        """The access log: every line of stdout but the one that says it serves."""
        return [line for line in self.stdout if line and not self.ready.search(line)]


class Fleet:
    """Some workers, and one `homing serve` before them unless they are called directly."""

    def __init__(self, workers: list[Worker], homing: Homing | None):
        self.workers = workers
        self.homing = homing

    @property
    def address(self) -> str:
        return self.homing.address if self.homing else self.workers[0].address

    def client(self, options=()) -> Client:
        return Client(self.address, options)

    def worker(self, address: str) -> Worker:
        return next(worker for worker in self.workers if worker.address == address)

    def count(self, path: str, what: str = "started") -> int:
        """How many calls of a method all living workers saw together."""
        return sum(worker.count(path, what) for worker in self.workers if worker.is_running)

    def open_calls(self) -> int:
        return sum(worker.snapshot()["open_calls"] for worker in self.workers if worker.is_running)

    def violations(self) -> list[str]:
        return [text for worker in self.workers if worker.is_running for text in worker.snapshot()["violations"]]

    def noise(self) -> dict[str, float]:
        """What is still held anywhere. Empty when every lease, stream and buffer has been given back."""
        noise = {}
        for worker in self.workers:
            if worker.is_running and (count := worker.snapshot()["open_calls"]):
                noise[f"{worker.address} open calls"] = count
        if self.homing and self.homing.is_running:
            metrics = self.homing.metrics()
            in_flight = metrics.named("homing_replica_in_flight")
            assert len(in_flight) == len(self.workers), f"in-flight of {len(in_flight)} replicas"
            for name in ("homing_streams_active", "homing_buffered_bytes", "homing_held_bytes", "homing_queue_length"):
                in_flight += [({"replica": name}, sum(value for _, value in metrics.named(name)))]
            noise |= {labels["replica"]: value for labels, value in in_flight if value != 0}
            if drift := metrics.sum("homing_in_flight_drift_total"):
                noise["streams that were counted and not there"] = drift
            for address, replica in self.homing.replicas().items():
                if replica["in_flight"] != 0:
                    noise[f"/api/replicas {address}"] = replica["in_flight"]
        return noise

    @property
    def is_alive(self) -> bool:
        return all(process.is_running for process in [*self.workers, *([self.homing] if self.homing else [])])

    def expect_alive(self):
        """Fails when a process ended that no test meant to end."""
        for process in [*self.workers, *([self.homing] if self.homing else [])]:
            assert process.is_running, f"{process.name} ended with {process.process.returncode}\n{process.tail()}"

    def expect_quiet(self):
        """Fails when something is held for more than 5 s: the last trailers reach a test before the books close."""
        last = {}

        def quiet() -> bool:
            nonlocal last
            last = self.noise()
            return not last

        try:
            wait_until(quiet, "quiet", 5)
        except AssertionError:
            raise AssertionError(f"still held after the test: {last}") from None

    def report(self) -> str:
        processes = [self.homing, *self.workers] if self.homing else self.workers
        return "\n".join(process.tail() for process in processes)

    def stop(self):
        """Ends every process. The program must leave with 0, whatever a test did to it."""
        code = 0
        try:
            if self.homing and self.homing.is_running:
                code = self.homing.terminate()
        finally:
            for worker in self.workers:
                worker.stop()
        assert code == 0, f"homing ended with {code}\n{self.homing.tail()}"


def launch(workers: int, *arguments: str, direct: bool = False, worker_arguments: tuple[str, ...] = ()) -> Fleet:
    """Starts workers and the program, and returns when it is ready for calls. Stops what it started when it fails."""
    starting = [Worker(*worker_arguments) for _ in range(workers)]
    homing = None
    try:
        for worker in starting:
            worker.started()
        if not direct:
            homing = Homing([worker.address for worker in starting], *arguments).started()
            homing.await_probed()
        return Fleet(starting, homing)
    except BaseException:
        for process in [homing, *starting] if homing else starting:
            if process.is_running:
                process.kill()
        raise

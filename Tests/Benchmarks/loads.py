"""Runs a load against an address, by h2load or by load.c, and checks what came back."""

import contextlib
import json
import pathlib
import re
import resource
import subprocess
import time
from dataclasses import dataclass

from body import body
from processes import Child, cpu_of
from workloads import MESSAGES, REPLY, Workload

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOAD, WORKER = ROOT / ".build/bench/load", ROOT / ".build/bench/worker"
HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
TEXT = b"a nest for every prompt, ok."


@dataclass
class Outcome:
    """What one load saw. `problem` says why it does not count."""

    units: int = 0
    per_second: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    #: CPU seconds and seconds of the load generator.
    cpu: float = 0.0
    seconds: float = 0.0
    problem: str = ""


def check(address: str, folder: pathlib.Path, method: str, messages: int, tls: bool = False):
    """Fails unless one call gives this many whole messages and the trailer grpc-status: 0. nghttp is the caller."""
    file = folder / "check.body"
    file.write_bytes(body(200))
    url = f"{'https' if tls else 'http'}://{address}/backend.Backend/{method}"
    done = subprocess.run(["nghttp", "-v", "-t", "10", "-d", str(file), *HEADERS, url], capture_output=True)
    said = re.sub(rb"\x1b\[[0-9;]*m", b"", done.stdout + done.stderr)
    # Frames cut the text anywhere after the first message, so it is their volume that tells how many there are.
    volume = sum(map(int, re.findall(rb"recv DATA frame <length=(\d+)", said)))
    trailers = said.rpartition(b"recv DATA frame")[2]
    is_right = TEXT in said and volume == messages * REPLY and b") :status: 200" in said
    if not is_right or b") grpc-status: 0" not in trailers:
        raise SystemExit(f"{address} does not answer {method} correctly:\n{said.decode(errors='replace')[-3_000:]}")


def h2load(address: str, workload: Workload, requests: int, file: str, cores: set[int],
           folder: pathlib.Path) -> Outcome:
    """A counted load, so many at a time."""
    log = folder / "h2load.times"
    log.unlink(missing_ok=True)
    shape = ["-n", str(requests), "-c", str(workload.connections), "-m", str(workload.streams), "-t", "1"]
    url = f"{'https' if workload.tls else 'http'}://{address}/backend.Backend/{workload.method}"
    command = ["taskset", "-c", ",".join(map(str, cores)), "h2load", *shape, *HEADERS, "-d", file]
    started = time.monotonic()
    with contextlib.closing(Usage()) as usage:
        done = subprocess.run([*command, f"--log-file={log}", url], capture_output=True, text=True)
    took = time.monotonic() - started
    said = done.stdout + done.stderr
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", said)
    if done.returncode != 0 or not rate:
        return Outcome(problem=f"h2load ended with {done.returncode}")
    if f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" not in said:
        return Outcome(problem=re.search(r"requests: .*", said)[0])
    if f"status codes: {requests} 2xx" not in said:
        return Outcome(problem=re.search(r"status codes: .*", said)[0])
    # h2load does not read trailers: a call that failed has no message, so the volume shows it.
    data = int(re.search(r"\((\d+)\) data", said)[1])
    expected = requests * workload.messages * REPLY
    times = sorted(int(line.rsplit("\t", 1)[1]) for line in log.read_text().splitlines())
    return Outcome(
        requests * workload.messages, float(rate[1]) * workload.messages, times[len(times) // 2],
        times[len(times) * 99 // 100], usage.seconds, took,
        "" if data == expected else f"{data} bytes of answers instead of {expected}")


class Usage:
    """CPU seconds of the children that end between its making and its closing."""

    def __init__(self):
        self.before = self.now()

    def now(self) -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def close(self):
        self.seconds = self.now() - self.before


class Load(Child):
    """A load.c that is set up and waits. Its connections and streams stay open until it is stopped."""

    def __init__(self, address: str, bodies: list[str], options: dict, folder: pathlib.Path,
                 cores: set[int] | None = None, name: str = "load", limit: float = 60):
        command = [str(LOAD), "--to", address]
        for file in bodies:
            command += ["--body", file]
        for option, value in options.items():
            command += [f"--{option}", str(value)]
        super().__init__(name, command, folder, cores, stdin=subprocess.PIPE)
        self.line(r"^ready$", limit)

    def start(self):
        self.began, self.before = time.monotonic(), cpu_of(self.process.pid)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def result(self, limit: float = 120) -> dict:
        """Waits for the end of the measurement."""
        result = json.loads(self.line(r"^\{.*\}$", limit)[0])
        self.cpu_used = cpu_of(self.process.pid) - self.before
        return result


def outcome(load: Load, is_paced: bool = False) -> Outcome:
    """Begins and ends the measurement of a load that is set up."""
    load.start()
    result = load.result()
    units = result["messages"] if is_paced else result["requests"]
    problem = f"{result['failed']} calls failed" if result["failed"] else ""
    return Outcome(units, units / result["seconds"], result["p50_us"], result["p99_us"], load.cpu_used,
                   result["seconds"], problem)


def options(workload: Workload, scale: float) -> dict:
    """What load.c is told for a workload."""
    told = {"connections": workload.connections, "streams": workload.streams, "method": workload.method}
    if workload.kind in ("paced", "held"):
        return told | {"paced-seconds": max(1.0, workload.seconds * scale)}
    told |= {"requests": max(int(workload.requests * scale), 500), "messages": workload.messages}
    if workload.kind == "rate":
        told |= {"rate": workload.rate}
    if workload.kind == "fresh":
        told |= {"fresh": 1}
    if workload.kind == "idle":
        told |= {"requests": workload.requests}
    return told


def start_workers(count: int, options: list[str], folder: pathlib.Path, cores: set[int],
                  stack: contextlib.ExitStack) -> tuple[list[Child], list[str]]:
    """So many worker processes with one port each; the stack stops them."""
    workers, addresses = [], []
    for number in range(count):
        worker = stack.enter_context(Child(f"worker-{number}", [str(WORKER), *options], folder, cores))
        workers.append(worker)
        addresses.append(worker.line(r"^worker grpc=(\S+)$")[1])
    return workers, addresses


def check_all(address: str, folder: pathlib.Path, workload: Workload):
    """One unary call, and one stream where the workers end them."""
    check(address, folder, "Predict", 1, workload.tls)
    if workload.kind not in ("paced", "held"):
        check(address, folder, "PredictStream", MESSAGES, workload.tls)

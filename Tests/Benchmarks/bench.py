"""What a call costs in the proxy: h2load through homing and through nghttpx, in alternation, on the same two workers.

The figure is the CPU time of the proxy's processes (utime + stime of /proc/PID/stat, before and after a counted load)
per request, and its ratio to nghttpx in the same round, for machines differ and drift. Called by scripts/bench.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field

from body import body

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
#: Bytes of one answer's message in its frame; worker.c sends it.
REPLY = 35
HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


@dataclass(frozen=True)
class Workload:
    """A counted load: what h2load sends and how."""

    name: str
    method: str
    prompt: int
    requests: int
    connections: int = 8
    streams: int = 16
    messages: int = 1


@dataclass
class Round:
    """One load through one proxy. `problem` says why it does not count."""

    proxy: str
    number: int
    cpu_us: float = 0.0
    per_second: float = 0.0
    problem: str = ""


@dataclass
class Result:
    """The rounds of one workload and what follows from them."""

    workload: Workload
    rounds: list[Round] = field(default_factory=list)

    def valid(self, proxy: str) -> dict[int, Round]:
        return {round.number: round for round in self.rounds if round.proxy == proxy and not round.problem}

    def median(self, proxy: str, what: str) -> float:
        return statistics.median(getattr(round, what) for round in self.valid(proxy).values())

    def ratios(self, subject: str, baseline: str) -> list[float]:
        """CPU of the subject by CPU of the baseline, for every round in which both are valid."""
        mine, theirs = self.valid(subject), self.valid(baseline)
        return [mine[number].cpu_us / theirs[number].cpu_us for number in sorted(mine.keys() & theirs.keys())]


# MARK: - Processes


class Child:
    """A process of the benchmark whose output goes to a file; ended by its own id."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def line(self, pattern: str, limit: float = 15) -> re.Match:
        """The first output line that matches; fails when it does not come or the process ends."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if match := re.search(pattern, self.log.read_text(errors="replace"), re.MULTILINE):
                return match
            self.expect_alive()
            time.sleep(0.02)
        raise SystemExit(f"{self.name} did not print {pattern!r} in {limit} s:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3_000:]

    def expect_alive(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def family(self) -> list[int]:
        """The process and all that descend from it."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int(stat(int(entry.name))[1])
        family = [self.process.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def cpu(self) -> float:
        """CPU seconds of the family, user and system."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(FileNotFoundError):
                fields = stat(pid)
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def expect_listening(self, port: int, limit: float = 15):
        """Waits until the family, and nobody else, listens on a TCP port."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            self.expect_alive()
            inodes = set()
            for pid in self.family():
                with contextlib.suppress(OSError):
                    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                        with contextlib.suppress(OSError):
                            if match := re.match(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                                inodes.add(match[1])
            rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
            # Columns: 1 local address, 3 state (0A listens), 9 inode.
            if any(row[3] == "0A" and row[9] in inodes and row[1].endswith(f":{port:04X}") for row in rows):
                return
            time.sleep(0.02)
        raise SystemExit(f"{self.name} does not listen on {port}:\n{self.tail()}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks: state, parent, …"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start_homing(name: str, workers: list[str], arguments, folder: pathlib.Path, started) -> tuple[Child, str]:
    command = [arguments.homing, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--threads", "1", "--no-access-log"]
    for worker in workers:
        command += ["--replica", worker]
    child = started(Child(name, [*command, *shlex.split(arguments.homing_arguments)], folder))
    return child, child.line(r"^homing serving grpc=([^ ,]+)")[1]


def start_nghttpx(name: str, workers: list[str], arguments, folder: pathlib.Path, started) -> tuple[Child, str]:
    """nghttpx refuses port 0: it gets one that was free a moment ago, and must be the one that listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backends = [f"-b{host},{backend};/;proto=h2" for host, backend in (worker.rsplit(":", 1) for worker in workers)]
    settings = ["--conf=/dev/null", "-n1", "--single-process", "-LWARN"]
    command = ["nghttpx", *settings, f"-f127.0.0.1,{port};no-tls", *backends]
    child = started(Child(name, command, folder))
    child.expect_listening(port)
    return child, f"127.0.0.1:{port}"


STARTERS = {"homing": start_homing, "nghttpx": start_nghttpx}


# MARK: - Measuring


def load(address: str, workload: Workload, requests: int, file: str) -> tuple[float, str]:
    """One h2load. Returns requests per second, and what was wrong with it or nothing."""
    shape = ["-n", str(requests), "-c", str(workload.connections), "-m", str(workload.streams), "-t", "1"]
    url = f"http://{address}/backend.Backend/{workload.method}"
    done = subprocess.run(["h2load", *shape, *HEADERS, "-d", file, url], capture_output=True, text=True)
    said = done.stdout + done.stderr
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", said)
    if done.returncode != 0 or not rate:
        return 0, f"h2load ended with {done.returncode}"
    if f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" not in said:
        return 0, re.search(r"requests: .*", said)[0]
    if f"status codes: {requests} 2xx" not in said:
        return 0, re.search(r"status codes: .*", said)[0]
    # h2load does not read trailers: a call that failed has no message, so the volume shows it.
    data = int(re.search(r"\((\d+)\) data", said)[1])
    expected = requests * workload.messages * REPLY
    return float(rate[1]), "" if data == expected else f"{data} bytes of answers instead of {expected}"


def measure(child: Child, address: str, workload: Workload, number: int, file: str) -> Round:
    before = child.cpu()
    per_second, problem = load(address, workload, workload.requests, file)
    child.expect_alive()
    cpu = child.cpu() - before
    units = workload.requests * workload.messages
    if not problem and cpu <= 0:
        problem = "no CPU time measured"
    return Round(child.name, number, cpu / units * 1e6, per_second * workload.messages, problem)


def run(workload: Workload, proxies: dict[str, tuple[Child, str]], rounds: int, folder: pathlib.Path) -> Result:
    """Alternates over the proxies, each round beginning with another one; a first short load only warms them up."""
    file = folder / f"{workload.name}.body"
    file.write_bytes(body(workload.prompt))
    result = Result(workload)
    for _, address in proxies.values():
        load(address, workload, max(1_000, workload.requests // 10), str(file))
    names = list(proxies)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            round = measure(*proxies[name], workload, number, str(file))
            result.rounds.append(round)
            note = round.problem or f"{round.cpu_us:.2f} µs, {round.per_second:,.0f}/s"
            print(f"  {workload.name} round {number + 1} {name}: {note}", file=sys.stderr, flush=True)
    return result


# MARK: - Telling


def table(results: list[Result], subject: str, baseline: str) -> str:
    rows = [["load", "unit", f"{subject} CPU µs", f"{baseline} CPU µs", "ratio", "min–max", f"{subject}/s",
             f"{baseline}/s", "rounds"]]
    for result in results:
        ratios = result.ratios(subject, baseline)
        unit = "request" if result.workload.messages == 1 else "message"
        rows.append([
            result.workload.name, unit,
            f"{result.median(subject, 'cpu_us'):.2f}", f"{result.median(baseline, 'cpu_us'):.2f}",
            f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}–{max(ratios):.2f}",
            f"{result.median(subject, 'per_second'):,.0f}", f"{result.median(baseline, 'per_second'):,.0f}",
            f"{len(ratios)} of {len(result.rounds) // 2}",
        ])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_json(results: list[Result], subject: str, baseline: str) -> str:
    return json.dumps({
        "subject": subject,
        "baseline": baseline,
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "architecture": platform.machine()},
        "results": [
            {
                "workload": asdict(result.workload),
                "ratio": statistics.median(result.ratios(subject, baseline)),
                "medians": {
                    name: {what: result.median(name, what) for what in ("cpu_us", "per_second")}
                    for name in (subject, baseline)
                },
                "rounds": [asdict(round) for round in result.rounds],
            }
            for result in results
        ],
    }, indent=2)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds per load (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    parser.add_argument("--load", action="append", help="only this load; may be repeated")
    parser.add_argument("--subject", choices=STARTERS, default="homing", help="nghttpx shows the noise")
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to measure")
    parser.add_argument("--homing-arguments", default="--policy prefix_cache", help="more arguments of homing serve")
    parser.add_argument("--worker", default=str(ROOT / ".build/bench/worker"), help="the compiled worker.c")
    parser.add_argument("--max-ratio", type=float, help="leave with 1 when a ratio is above this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    arguments = parser.parse_args()
    arguments.loads = [
        Workload("200B", "Predict", 200, int(100_000 * arguments.scale)),
        Workload("12KB", "Predict", 12 * 1024, int(50_000 * arguments.scale)),
        Workload("200B-32x1", "Predict", 200, int(50_000 * arguments.scale), connections=32, streams=1),
        Workload("stream-128", "PredictStream", 200, int(20_000 * arguments.scale), messages=128),
    ]
    known = [load.name for load in arguments.loads]
    if unknown := set(arguments.load or []) - set(known):
        parser.error(f"no load {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = arguments.load or ["200B", "12KB"]
    arguments.loads = [load for load in arguments.loads if load.name in chosen]
    if min(load.requests for load in arguments.loads) < 1_000:
        parser.error("--scale leaves fewer than 1,000 requests: too few to measure")
    return arguments


def main() -> int:
    arguments = parse()
    subject, baseline = arguments.subject, "nghttpx"
    if subject == baseline:
        subject = "nghttpx-again"
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)

        def started(child: Child) -> Child:
            stack.callback(child.stop)
            return child

        workers = []
        for number in range(2):
            worker = started(Child(f"worker-{number}", [arguments.worker, "--messages", "128"], folder))
            workers.append(worker.line(r"^worker grpc=(\S+)$")[1])
        proxies = {}
        for proxy, starter in ((subject, STARTERS[arguments.subject]), (baseline, start_nghttpx)):
            proxies[proxy] = starter(proxy, workers, arguments, folder, started)
        results = [run(load, proxies, arguments.rounds, folder) for load in arguments.loads]

    for result in results:
        needed = arguments.rounds // 2 + 1
        if (count := len(result.ratios(subject, baseline))) < needed:
            problems = "; ".join(sorted({f"{r.proxy}: {r.problem}" for r in result.rounds if r.problem}))
            said = f"{result.workload.name}: only {count} of {arguments.rounds} rounds are valid: {problems}"
            print(said, file=sys.stderr)
            return 1
    print(as_json(results, subject, baseline) if arguments.json else table(results, subject, baseline))
    worst = max(statistics.median(result.ratios(subject, baseline)) for result in results)
    if arguments.max_ratio and worst > arguments.max_ratio:
        print(f"a ratio of {worst:.2f} is above {arguments.max_ratio}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a call costs in homing and in the proxies that could stand in its place: same load, same workers, alternating.

The figure is the CPU time of the proxy's processes per request or message (from /proc, before and after a counted
load), as a ratio to nghttpx and to the best peer of the same round, for machines differ and drift. Called by
scripts/bench proxy.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

from body import body
from loads import Load, Outcome, check_all, h2load, options, outcome, start_workers
from peers import PEERS, ROOT, STARTERS, Place, Proxy
from processes import Child, Cores
from results import DIRECT, Result, Round, as_json, table
from workloads import WORKLOADS, Workload, named


class Bench:
    """One run of the suite: its arguments, its folder, its cores."""

    def __init__(self, arguments: argparse.Namespace, folder: pathlib.Path):
        self.arguments = arguments
        self.folder = folder
        self.cores = Cores(arguments.threads)
        self.tls: tuple[str, str] | None = None

    def place(self, workload: Workload, workers: list[str]) -> Place:
        if workload.tls and not self.tls:
            self.tls = certificate(self.folder)
        return Place(workers, self.folder, self.cores, self.arguments.threads, self.tls if workload.tls else None,
                     self.arguments.homing, self.arguments.homing_arguments)

    def run(self, workload: Workload) -> Result:
        """All rounds of a workload; each begins with another proxy."""
        result = Result(workload)
        file = self.folder / "body"
        file.write_bytes(body(workload.prompt))
        with contextlib.ExitStack() as stack:
            workers, addresses = start_workers(2, workload.worker_options, self.folder, self.cores.workers, stack)
            place = self.place(workload, addresses)
            names = ["homing", *self.arguments.peers]
            if workload.kind in ("idle", "held"):
                starters = {name: STARTERS[name] for name in names}
                self.alternate(result, names, lambda name: self.memory(starters[name](place), workload, str(file)))
                return result
            proxies = {}
            for name in names:
                proxies[name] = STARTERS[name](place)
                stack.callback(proxies[name].child.stop)
                check_all(proxies[name].address, self.folder, workload)
            if workload.is_about_latency:
                proxies[DIRECT] = Proxy(DIRECT, workers[0], addresses[0])
            for proxy in proxies.values():
                self.load(proxy, workload, str(file), self.arguments.scale / 10)
            self.alternate(result, list(proxies), lambda name: self.cpu(proxies[name], workers, workload, str(file)))
        return result

    def alternate(self, result: Result, names: list[str], measure):
        for number in range(self.arguments.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                round = measure(name)
                round.number = number
                result.rounds.append(round)
                note = round.problem or (
                    f"{round.cost:,.2f} {result.workload.unit}, {round.per_second:,.0f}/s, p99 {round.p99_us:,.0f} µs, "
                    f"load {round.load_busy:.0%} and workers {round.workers_busy:.0%} of a core")
                print(f"  {result.workload.name} round {number + 1} {name}: {note}", file=sys.stderr, flush=True)

    def load(self, proxy: Proxy, workload: Workload, file: str, scale: float, around=contextlib.nullcontext) -> Outcome:
        """One load; `around` is entered when it is set up and left when it is over."""
        if workload.kind == "closed":
            with around():
                return h2load(proxy.address, workload, max(500, int(workload.requests * scale)), file,
                              self.cores.load, self.folder)
        with Load(proxy.address, [file], options(workload, scale), self.folder, self.cores.load) as load, around():
            return outcome(load, workload.kind == "paced")

    def cpu(self, proxy: Proxy, workers: list[Child], workload: Workload, file: str) -> Round:
        used, busy = [0.0], [0.0]

        @contextlib.contextmanager
        def measured():
            before, before_workers = proxy.child.cpu(), sum(worker.cpu() for worker in workers)
            yield
            used[0] = proxy.child.cpu() - before
            busy[0] = sum(worker.cpu() for worker in workers) - before_workers

        got = self.load(proxy, workload, file, self.arguments.scale, measured)
        proxy.child.expect_alive()
        round = Round(proxy.name, problem=got.problem)
        if not got.problem:
            round.cost = used[0] / got.units * 1e6
            round.per_second, round.p50_us, round.p99_us = got.per_second, got.p50_us, got.p99_us
            round.load_busy, round.workers_busy = got.cpu / got.seconds, busy[0] / got.seconds
            round.memory_mb = proxy.child.memory() / 1e6
        return round

    def memory(self, proxy: Proxy, workload: Workload, file: str) -> Round:
        """What open connections or streams add to a proxy that has just begun."""
        with proxy.child:
            check_all(proxy.address, self.folder, workload)
            # One request at first, so that what is made once is not counted for those that follow.
            with Load(proxy.address, [file], {"requests": 100}, self.folder, self.cores.load) as load:
                problem = outcome(load).problem
            time.sleep(0.2)
            before = proxy.child.memory()
            with Load(proxy.address, [file], options(workload, 1), self.folder, self.cores.load) as load:
                if workload.kind == "idle":
                    problem = problem or outcome(load).problem
                after = proxy.child.memory()
            units = workload.connections * (workload.streams if workload.kind == "held" else 1)
            return Round(proxy.name, cost=(after - before) / units, memory_mb=after / 1e6, problem=problem)


def certificate(folder: pathlib.Path) -> tuple[str, str]:
    """A self-signed one of the usual kind (P-256)."""
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def parse() -> argparse.Namespace:
    names = ",".join(workload.name for workload in WORKLOADS)
    parser = argparse.ArgumentParser(prog="scripts/bench proxy", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds per workload (default 5)")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2), help="worker threads of each proxy")
    parser.add_argument("--peers", default=",".join(PEERS), help="which of the default %(default)s")
    parser.add_argument("--workloads", default=names, help="which of the default %(default)s; also D and M")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests and seconds")
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to measure")
    parser.add_argument("--homing-arguments", default="", help="more arguments of homing serve")
    parser.add_argument("--max-ratio", type=float, help="leave with 1 when homing ÷ nghttpx is above this anywhere")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured there as well")
    arguments = parser.parse_args()
    arguments.peers = [peer for peer in arguments.peers.split(",") if peer]
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    try:
        arguments.chosen = named(arguments.workloads)
    except ValueError as error:
        parser.error(str(error))
    if arguments.rounds < 1 or arguments.scale <= 0:
        parser.error("--rounds and --scale are above zero")
    return arguments


def main() -> int:
    arguments = parse()
    names = ["homing", *arguments.peers]
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name:
        # Proxies that give up root read their files there.
        pathlib.Path(name).chmod(0o755)
        bench = Bench(arguments, pathlib.Path(name))
        machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "architecture": platform.machine(),
                   "bound": bench.cores.are_bound, "threads": arguments.threads}
        results: list[Result] = []
        for workload in arguments.chosen:
            results.append(bench.run(workload))
            # A run that is broken off leaves what it has.
            if arguments.json:
                told = as_json(results, names) | {"machine": machine}
                pathlib.Path(arguments.json).write_text(json.dumps(told, indent=2))
    problems = [problem for result in results for problem in result.problems(names, arguments.rounds)]
    if problems:
        print("\n".join(problems), file=sys.stderr)
    print(table(results, names))
    worst = max((result.ratio("homing", "nghttpx") for result in results), default=0)
    if arguments.max_ratio and worst > arguments.max_ratio:
        print(f"a ratio of {worst:.2f} is above {arguments.max_ratio}", file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""How homing's cost per request grows: with replicas, with models, with the blocks that the index remembers, and with
connections; nghttpx beside it where it has such a thing. Every row is a fresh proxy in front of workers that answer at
once. Called by scripts/bench scale.

replicas, models, connections: unary, 200 B, no two prompts alike, 128 requests at a time. index: unary, 12 KB, the
prompts that filled the index come once more and find what they left.
"""

import argparse
import contextlib
import json
import pathlib
import re
import statistics
import sys
import tempfile
import urllib.request

from body import body
from loads import WORKER, Load, outcome
from peers import ROOT, STARTERS, Place
from processes import Child, Cores

SWEEPS = {
    "replicas": [4, 64, 512],
    "models": [1, 32],
    "index": [1_000, 10_000, 100_000, 1_000_000],
    "connections": [10, 100, 1_000, 10_000],
}
#: How many blocks a 12 KB prompt leaves in the index; the table says how many there are.
BLOCKS_PER_PROMPT = 24
#: More prompts than are ever sent.
ALL_DIFFERENT = 10**9


def start_worker(replicas: int, folder: pathlib.Path, cores: Cores, stack: contextlib.ExitStack) -> list[str]:
    """One process that listens on as many ports."""
    worker = stack.enter_context(Child("worker", [str(WORKER), "--ports", str(replicas)], folder, cores.workers))
    worker.line(r"^ready$")
    return re.findall(r"^worker grpc=(\S+)$", worker.log.read_text(), re.MULTILINE)


def start_homing(homing: str, clusters: list[list[str]], folder: pathlib.Path, cores: Cores) -> tuple[Child, str, str]:
    """One cluster for every list of replicas. Returns the process, where it serves, and its admin port."""
    file = folder / "homing.json"  # which is YAML as well
    file.write_text(json.dumps({
        "listeners": ["127.0.0.1:0"], "admin": {"address": "127.0.0.1:0"}, "threads": 1,
        "access_log": {"enabled": False}, "log_level": "warning",
        "proxy": {"max_connections": 20_000},
        "clusters": [{"name": f"c{number}", "models": [f"m{number}"], "replicas": replicas,
                      "routing": {"max_index_blocks": 2_000_000}} for number, replicas in enumerate(clusters)],
    }))
    child = Child("homing", [homing, "serve", "-c", str(file)], folder, cores.proxy)
    line = child.line(r"^homing serving grpc=(\S+) admin=(\S+)", 60)
    return child, line[1], line[2]


class Row:
    """One size of one sweep: a proxy, its workers, and loads through it."""

    def __init__(self, program: str, homing: str, folder: pathlib.Path, stack: contextlib.ExitStack, replicas=4,
                 models=1):
        self.folder, self.cores = folder, Cores(1)
        addresses = start_worker(replicas * models, folder, self.cores, stack)
        clusters = [addresses[number::models] for number in range(models)]
        self.admin = ""
        if program == "homing":
            self.child, self.address, self.admin = start_homing(homing, clusters, folder, self.cores)
        else:
            proxy = STARTERS[program](Place(addresses, folder, self.cores))
            self.child, self.address = proxy.child, proxy.address
        stack.callback(self.child.stop)
        self.models = models

    def bodies(self, size: int) -> list[str]:
        files = []
        for model in range(self.models):
            file = self.folder / f"body-{model}"
            file.write_bytes(body(size, f"m{model}".encode()))
            files.append(str(file))
        return files

    def cost(self, size: int, requests: int, **options) -> float:
        """CPU µs per request."""
        told = {"distinct": ALL_DIFFERENT, "requests": requests, "messages": 1}
        told |= {name.replace("_", "-"): value for name, value in options.items()}
        with Load(self.address, self.bodies(size), told, self.folder, self.cores.load) as load:
            before = self.child.cpu()
            result = outcome(load)
            if result.problem:
                raise SystemExit(f"{told}: {result.problem}")
            return (self.child.cpu() - before) / result.units * 1e6

    def blocks(self) -> int:
        if not self.admin:
            return 0
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            found = re.findall(r"^homing_index_blocks\{[^}]*\} (\S+)$", answer.read().decode(), re.MULTILINE)
        return int(sum(map(float, found)))


def measure(program: str, sweep: str, size: int, arguments: argparse.Namespace) -> dict:
    """The median of the rounds on one proxy, after a warm-up that opens what stays open."""
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name, contextlib.ExitStack() as stack:
        pathlib.Path(name).chmod(0o755)
        given = (program, arguments.homing, pathlib.Path(name), stack)
        requests = max(1_000, int(20_000 * arguments.scale))
        usual = {"connections": 8, "streams": 16}
        prompt = 200
        if sweep == "replicas":
            row = Row(*given, replicas=size)
        elif sweep == "models":
            row = Row(*given, models=size)
        elif sweep == "connections":
            row = Row(*given)
            usual = {"connections": size, "in_flight": 128}
        else:
            row, prompt = Row(*given), 12 * 1024
            # The index is asked for what it holds; the others are asked for what nobody has seen.
            usual["distinct"] = max(1, size // BLOCKS_PER_PROMPT)
            row.cost(prompt, usual["distinct"], **usual)
        row.cost(prompt, max(requests // 4, size if sweep == "connections" else 0), **usual)
        costs = [row.cost(prompt, requests, first=0 if sweep == "index" else (number + 1) << 24, **usual)
                 for number in range(arguments.rounds)]
        return {"cost_us": statistics.median(costs), "min_us": min(costs), "max_us": max(costs),
                "blocks": row.blocks(), "memory_mb": row.child.memory() / 1e6}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to measure")
    parser.add_argument("--sweeps", default=",".join(SWEEPS), help="which of the default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="loads on each size, of which the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    told: dict[str, dict[str, dict[int, dict]]] = {}
    for sweep in arguments.sweeps.split(","):
        print(f"{sweep:>12}  proxy    µs/request  ÷ first  min–max          blocks     MB")
        for program in ["homing", "nghttpx"] if sweep in ("replicas", "connections") else ["homing"]:
            rows = told.setdefault(sweep, {})[program] = {}
            for size in SWEEPS[sweep]:
                got = rows[size] = measure(program, sweep, size, arguments)
                growth = got["cost_us"] / rows[SWEEPS[sweep][0]]["cost_us"]
                print(f"{size:>12,}  {program:<7}  {got['cost_us']:10.2f}  {growth:7.2f}"
                      f"  {got['min_us']:6.2f}–{got['max_us']:<6.2f}  {got['blocks']:>9,}  {got['memory_mb']:5.0f}",
                      flush=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Mixed traffic for minutes: unary and streamed calls, callers that connect anew for each call, callers that give up or
drop their connection, paced streams, and a SIGHUP reload every few seconds. Called by scripts/bench soak.

Prints memory, connections and open streams over time. Fails when memory grows by more than --growth after the first
third, when a call fails that nobody gave up, or when anything is left once all callers have gone: streams, leases,
buffered or held bytes, connections of callers.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import tempfile
import time
import urllib.request

from body import body
from loads import Load, start_workers
from peers import ROOT
from processes import Child, Cores
from workloads import INTERVAL_MS

#: More requests than any soak can do; its end is the end of the loads' input.
ENDLESS = 10**15
#: Of a stream: at 20 ms each it takes a second.
MESSAGES = 50
#: What is zero when nobody calls.
LEFTOVERS = ["homing_streams_active", "homing_replica_in_flight", "homing_buffered_bytes", "homing_held_bytes",
             "homing_downstream_connections"]
#: name: prompt bytes, and what load.c is told. Rates are modest: leaks show in counts of calls, not in busy cores.
LOADS = {
    "unary": (200, {"rate": 300, "connections": 8, "messages": 1}),
    "long-prompts": (12 * 1024, {"rate": 100, "connections": 8, "messages": 1, "distinct": 10**9}),
    "connects": (200, {"fresh": 1, "connections": 2, "messages": 1}),
    "streams": (2_048, {"in-flight": 64, "connections": 16, "method": "PredictStream", "messages": MESSAGES}),
    "gives-up": (2_048, {"rate": 50, "connections": 16, "method": "PredictStream", "abort": 0.5}),
}


def metrics(admin: str) -> dict[str, float]:
    """Every metric, summed over its labels."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
        rows = re.findall(r"^(\w+)(?:\{[^}]*\})? (\S+)$", answer.read().decode(), re.MULTILINE)
    total: dict[str, float] = {}
    for name, value in rows:
        total[name] = total.get(name, 0) + float(value)
    return total


def start_homing(homing: str, replicas: list[str], folder: pathlib.Path, cores: Cores,
                 threads: int) -> tuple[Child, str, str]:
    """A file, for there is nothing to reload without one."""
    file = folder / "homing.json"
    file.write_text(json.dumps({
        "listeners": ["127.0.0.1:0"], "admin": {"address": "127.0.0.1:0"}, "threads": threads,
        "access_log": {"enabled": False},
        # A small index is soon full, so that memory can be flat.
        "clusters": [{"name": "all", "replicas": replicas, "routing": {"max_index_blocks": 20_000}}],
    }))
    child = Child("homing", [homing, "serve", "-c", str(file)], folder, cores.proxy)
    line = child.line(r"^homing serving grpc=(\S+) admin=(\S+)")
    return child, line[1], line[2]


def soak(homing: Child, admin: str, minutes: float, loads: list[Load], rows: list[float]):
    """Looks every two seconds, reloads every ten; ends early when a process does."""
    began = time.monotonic()
    reloads = 0
    print("seconds  MB      streams  connections  streams ever  reloads", flush=True)
    while (passed := time.monotonic() - began) < minutes * 60:
        time.sleep(min(2, minutes * 4))
        for child in (homing, *loads):
            child.expect_alive()
        if passed > (reloads + 1) * 10:
            os.kill(homing.process.pid, signal.SIGHUP)
            reloads += 1
        now = metrics(admin)
        rows.append(homing.memory() / 1e6)
        print(f"{passed:7.0f}  {rows[-1]:6.1f}  {now['homing_streams_active']:7.0f}"
              f"  {now['homing_downstream_connections']:11.0f}  {now['homing_streams_total']:12.0f}  {reloads:7}",
              flush=True)


def leftovers(admin: str, limit: float = 10) -> dict[str, float]:
    """What is above zero although all callers have gone, after as long as the end of streams may take."""
    end = time.monotonic() + limit
    while True:
        now = metrics(admin)
        # A probe of a replica is no leftover; it is over in a moment.
        left = {name: now[name] for name in LEFTOVERS if now.get(name, 0) != 0}
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default 10)")
    parser.add_argument("--growth", type=float, default=0.05,
                        help="share by which memory may grow between the second and the last third (default 0.05), "
                             "with 1 MB on top")
    parser.add_argument("--threads", type=int, default=2, help="event loops of homing (default 2)")
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to soak")
    arguments = parser.parse_args()
    problems = []
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name, contextlib.ExitStack() as stack:
        folder, cores = pathlib.Path(name), Cores(arguments.threads)
        paced = ["--messages", str(MESSAGES), "--interval-ms", str(INTERVAL_MS)]
        _, addresses = start_workers(2, paced, folder, cores.workers, stack)
        homing, address, admin = start_homing(arguments.homing, addresses, folder, cores, arguments.threads)
        stack.callback(homing.stop)
        loads = []
        for label, (size, told) in LOADS.items():
            file = folder / f"{label}.body"
            file.write_bytes(body(size))
            told |= {"requests": ENDLESS}
            loads.append(stack.enter_context(Load(address, [str(file)], told, folder, cores.load, label)))
        for load in loads:
            load.start()
        rows: list[float] = []
        soak(homing, admin, arguments.minutes, loads, rows)
        for load in loads:
            load.process.stdin.close()
            result = json.loads(load.line(r"^\{.*\}$")[0])
            print(f"{load.name}: {result}")
            if result["failed"]:
                problems.append(f"{load.name}: {result['failed']} calls failed")
        if left := leftovers(admin):
            problems.append(f"left over: {left}")
    third = len(rows) // 3
    middle, last = (statistics.median(part or [0]) for part in (rows[third:2 * third], rows[2 * third:]))
    print(f"memory: {middle:.1f} MB in the second third, {last:.1f} MB in the last")
    if last > middle * (1 + arguments.growth) + 1:
        problems.append(f"memory has grown by {last - middle:.1f} MB")
    print("\n".join(f"FAILED: {problem}" for problem in problems) or "PASSED: memory is flat, nothing is left over")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

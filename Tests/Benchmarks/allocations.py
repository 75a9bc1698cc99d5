"""Allocations per request in homing: calls of malloc and its kin in a whole run, with N and with 2N requests, whose
difference has no start-up in it. Called by scripts/bench allocations, which builds the counter.

The kinds: A unary 200 B, B unary 12 KB, C one stream of 128 messages.
"""

import argparse
import json
import pathlib
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass

from body import body
from loads import ROOT, Load, outcome, start_workers
from peers import Place, start_homing
from processes import Child, Cores
from workloads import MESSAGES

#: name: method, prompt bytes, messages of an answer.
KINDS = {"A": ("Predict", 200, 1), "B": ("Predict", 12 * 1024, 1), "C": ("PredictStream", 2_048, MESSAGES)}


@dataclass
class CountedPlace(Place):
    """Starts a program with the counter loaded into it."""

    counter: str = ""

    def start(self, name: str, command: list[str]) -> Child:
        return Child(name, command, self.folder, self.cores.proxy, {"LD_PRELOAD": self.counter})


def allocations(kind: str, requests: int, options: argparse.Namespace) -> int:
    """Those of a whole run with this many requests, one at a time."""
    method, prompt, messages = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name, ExitStack() as stack:
        folder, cores = pathlib.Path(name), Cores(1)
        _, addresses = start_workers(2, ["--messages", str(MESSAGES)], folder, cores.workers, stack)
        proxy = start_homing(CountedPlace(addresses, folder, cores, homing=options.homing, counter=options.counter))
        file = folder / "body"
        file.write_bytes(body(prompt))
        with proxy.child:
            told = {"requests": requests, "method": method, "messages": messages}
            with Load(proxy.address, [str(file)], told, folder, cores.load) as load:
                if problem := outcome(load).problem:
                    raise SystemExit(f"{kind}: {problem}")
            proxy.child.stop()
        return int(proxy.child.tail().strip().splitlines()[-1].removeprefix("allocations "))


def numbers(text: str) -> dict[str, int]:
    return {kind: int(number) for kind, number in (pair.split("=") for pair in text.split(",") if pair)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench allocations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to ask")
    parser.add_argument("--counter", default=str(ROOT / ".build/bench/malloc_count.so"), help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=2_000, help="N (default 2000)")
    parser.add_argument("--expect", metavar="A=N,B=N,C=N", default="",
                        help="leave with 1 unless a request takes exactly that many allocations, rounded")
    parser.add_argument("--at-most", default="", metavar="A=N,B=N,C=N",
                        help="leave with 1 when a request takes more than that; for builds that are not optimised")
    parser.add_argument("--json", metavar="FILE", help="write the counts there as well")
    options = parser.parse_args()
    expected, most = numbers(options.expect), numbers(options.at_most)
    told = {}
    for kind in expected | most or KINDS:
        requests = max(1, options.requests // (10 if kind == "C" else 1))
        grown = allocations(kind, requests * 2, options) - allocations(kind, requests, options)
        told[kind] = grown / requests
        print(f"{kind}  {told[kind]:8.2f} allocations per request", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(told, indent=2))
    wrong = [f"{kind}: {told[kind]:.2f} instead of {number}" for kind, number in expected.items()
             if round(told[kind]) != number]
    wrong += [f"{kind}: {told[kind]:.2f}, and {number} are allowed" for kind, number in most.items()
              if told[kind] > number]
    if wrong:
        print("allocations per request have changed: " + "; ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

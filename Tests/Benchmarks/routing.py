"""How the routing policies do on virtual time, beside the goals. Called by scripts/bench routing.

Traces are given by path (Mooncake's JSONL format); without one, those of ../shared/traces are used if they are there, and
else the small trace of this folder. Families are made up from seeds. Nothing is measured in real time: the figures are
the same on every machine.
"""

import argparse
import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def usual_traces() -> list[str]:
    shared = sorted((HERE.parents[2] / "shared" / "traces").glob("*.jsonl"))
    return [str(path) for path in shared or [HERE / "small_trace.jsonl"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench routing")
    parser.add_argument("--program", default=".build/release/RoutingBench", help="an already built RoutingBench")
    parser.add_argument("--requests", type=int, default=4_000, help="of made-up traffic")
    parser.add_argument("--seed", type=int, default=7, help="of made-up traffic")
    parser.add_argument("--only", default="", help="part of the names of the scenarios that are looked at alone")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    parser.add_argument("trace", nargs="*", help="JSON lines")
    options = parser.parse_args()
    os.execv(options.program, [
        options.program, "goals", "--requests", str(options.requests), "--seed", str(options.seed),
        "--only", options.only, "--strict", "yes" if options.strict else "no", *(options.trace or usual_traces()),
    ])


if __name__ == "__main__":
    main()

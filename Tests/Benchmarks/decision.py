"""What one routing decision costs: hash and pick in nanoseconds, allocations, memory per block. Called by
scripts/bench decision, which builds the counter of allocations.
"""

import argparse
import json
import os
import subprocess


def run(options: argparse.Namespace, decisions: int, *arguments: object) -> tuple[dict, int]:
    """The figures, and how many allocations the whole run made."""
    environment = os.environ | {"LD_PRELOAD": os.path.abspath(options.counter)}
    command = [options.homing, "decision-cost", "--decisions", str(decisions), *map(str, arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    allocations = int(result.stderr.strip().splitlines()[-1].removeprefix("allocations "))
    return json.loads(result.stdout), allocations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench decision")
    parser.add_argument("--homing", default=".build/release/homing", help="the program to ask")
    parser.add_argument("--counter", default=".build/bench/malloc_count.so", help=argparse.SUPPRESS)
    parser.add_argument("--decisions", type=int, default=20_000)
    options = parser.parse_args()
    for policy in ["expected_ttft", "prefix_cache", "least_in_flight"]:
        for size, limit in [(12_288, 5.0), (409_600, 100.0)]:
            arguments = ("--policy", policy, "--prompt-bytes", size, "--replicas", 64, "--blocks", 1_000_000)
            _, few = run(options, options.decisions, *arguments)
            cost, many = run(options, options.decisions * 2, *arguments)
            total = (cost["hash_ns"] + cost["pick_ns"]) / 1000
            print(
                f"{policy:<16} {size // 1024:>4} KB  {cost['replicas']} replicas  {cost['indexed_blocks']:>8} blocks"
                f"  hash {cost['hash_ns'] / 1000:7.2f} µs  pick {cost['pick_ns'] / 1000:7.2f} µs"
                f"  together {total:7.2f} µs (goal {limit:.0f})"
                f"  allocations per decision {(many - few) / options.decisions:.4f}"
                f"  {cost['bytes_per_block']:.1f} bytes per block")


if __name__ == "__main__":
    main()

"""What one routing decision costs: hash and pick in microseconds, allocations, memory per block, and what a process has
in memory after many prompts. Called by scripts/bench decision, which builds the counter of allocations.

Times are medians over batches of a hundred decisions, and of several runs: others on the machine make them longer.
"""

import argparse
import json
import os
import statistics
import subprocess


def run(options: argparse.Namespace, decisions: int, *arguments: object) -> tuple[dict, int]:
    """The figures, and how many allocations the whole run made."""
    environment = os.environ | {"LD_PRELOAD": os.path.abspath(options.counter)}
    command = [options.program, "decision", "--decisions", str(decisions), *map(str, arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    allocations = int(result.stderr.strip().splitlines()[-1].removeprefix("allocations "))
    return json.loads(result.stdout), allocations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench decision")
    parser.add_argument("--program", default=".build/release/RoutingBench", help="an already built RoutingBench")
    parser.add_argument("--counter", default=".build/bench/malloc_count.so", help=argparse.SUPPRESS)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for policy in ["expected_ttft", "prefix_cache", "least_in_flight"]:
        for size, limit in [(12_288, 5.0), (409_600, 100.0)]:
            arguments = ("--policy", policy, "--prompt-bytes", size, "--replicas", 64, "--blocks", 1_000_000)
            _, few = run(options, options.decisions, *arguments)
            runs = [run(options, options.decisions * 2, *arguments) for _ in range(options.runs)]
            cost = {key: statistics.median(figures[key] for figures, _ in runs) for key in runs[0][0]}
            many = min(allocations for _, allocations in runs)
            known = (cost["hash_ns"] + cost["pick_ns"]) / 1000
            # Each run decides as often about known prompts as about new ones.
            per_decision = (many - few) / options.decisions / 2
            print(
                f"{policy:<16} {size // 1024:>4} KB  {cost['replicas']} replicas  {cost['indexed_blocks']:>8} blocks"
                f"  hash {cost['hash_ns'] / 1000:6.2f} µs  pick {cost['pick_ns'] / 1000:6.2f} µs"
                f"  together {known:6.2f} µs (goal {limit:.0f}, {'met' if known <= limit else 'MISSED'})"
                f"  pick of a new prompt {cost['pick_new_ns'] / 1000:6.2f} µs"
                f"  allocations per decision {per_decision:.4f}  {cost['bytes_per_block']:.1f} bytes per block")
    memory = json.loads(subprocess.run([options.program, "memory"], check=True, capture_output=True).stdout)
    print(
        f"12,000 different prompts of 13.5 KB: {memory['resident_mb']} MB resident (goal 40), of which the index"
        f" {memory['index_mb']} MB in {memory['blocks']} blocks, and {memory['resident_before_mb']} MB before the first")


if __name__ == "__main__":
    main()

"""How homing's routing policies do, by `homing replay` on virtual time, beside the goals. Called by scripts/bench routing.

Traces are given by path (Mooncake's JSONL format); without one, the small trace of this folder is used. Families are made
up from seeds. Nothing is measured in real time, so the figures are the same on every machine.
"""

import argparse
import json
import math
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FAMILIES = ["conversations", "agents", "documents", "unique", "shared_head", "bursts"]
POLICIES = [
    "round_robin", "power_of_two", "least_in_flight", "consistent_hash", "prefix_cache", "sglang_cache_aware",
    "dynamo_kv", "inference_gateway", "preble_e2", "mooncake_conductor", "true_greedy", "expected_ttft",
]


def replay(homing: str, *arguments: object) -> dict[str, dict]:
    command = [homing, "replay", "--json", *map(str, arguments)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return {row["policy"]: row for row in json.loads(result.stdout)}


def line(name: str, row: dict) -> str:
    return (
        f"  {name:<32} hit {row['hit']:.3f}  TTFT mean {row['ttft_mean_s']:8.3f}  p50 {row['ttft_p50_s']:8.3f}"
        f"  p99 {row['ttft_p99_s']:8.2f}  share {row['max_share']:.3f}"
    )


def goal(text: str, value: float, limit: float, *, at_least: bool = False) -> bool:
    met = value >= limit if at_least else value <= limit
    sign = "≥" if at_least else "≤"
    print(f"  {'met ' if met else 'MISSED'}  {text:<78} {value:7.3f}  goal {sign} {limit}")
    return met


def geometric(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def traces(options: argparse.Namespace) -> None:
    for path in options.trace:
        print(f"== {pathlib.Path(path).name}, 8 replicas, 2 M tokens of cache, 8,000 tokens/s, as it is")
        for name, row in replay(options.homing, "--policies", ",".join(POLICIES), "--max-wait-ms", 0, path).items():
            print(line(name, row))
        held = replay(options.homing, "--policies", "expected_ttft", path)["expected_ttft"]
        print(line("expected_ttft, late binding", held))


def conversation_goals(options: argparse.Namespace) -> list[bool]:
    met = []
    for path in options.trace:
        if "mooncake" not in pathlib.Path(path).name:
            continue
        at_once = replay(options.homing, "--policies", "expected_ttft", "--max-wait-ms", 0, path)["expected_ttft"]
        met.append(goal("conversation, no late binding: mean TTFT, s", at_once["ttft_mean_s"], 1.34))
        met.append(goal("conversation, no late binding: p99, s", at_once["ttft_p99_s"], 10.2))
        met.append(goal("conversation, no late binding: hit", at_once["hit"], 0.315, at_least=True))
        loaded = replay(
            options.homing, "--policies", "prefix_cache,expected_ttft", "--utilisation", 0.7, path)
        ours, theirs = loaded["expected_ttft"], loaded["prefix_cache"]
        met.append(
            goal("conversation at 70 %: prefix_cache ÷ ours, mean", theirs["ttft_mean_s"] / ours["ttft_mean_s"], 2.8,
                 at_least=True))
        met.append(
            goal("conversation at 70 %: prefix_cache ÷ ours, p99", theirs["ttft_p99_s"] / ours["ttft_p99_s"], 1.7,
                 at_least=True))
    return met


def family_goals(options: argparse.Namespace) -> list[bool]:
    sources = [[path] for path in options.trace] + [
        ["--family", family, "--requests", options.requests, "--seed", options.seed] for family in FAMILIES
    ]
    ratios, tails, floors = [], [], []
    for source in sources:
        for load, replicas, cache, noise in [
            (0.5, 8, 2_000_000, 0), (0.7, 8, 2_000_000, 0), (0.9, 8, 2_000_000, 0), (0.7, 8, 500_000, 0),
            (0.8, 4, 1_000_000, 0.2), (0.8, 16, 1_000_000, 0),
        ]:
            rows = replay(
                options.homing, "--policies", "least_in_flight,true_greedy,expected_ttft", "--utilisation", load,
                "--replicas", replicas, "--cache-tokens", cache, "--noise", noise, *source)
            ours, greedy = rows["expected_ttft"], rows["true_greedy"]
            ratios.append(ours["ttft_mean_s"] / greedy["ttft_mean_s"])
            tails.append(ours["ttft_p99_s"] / greedy["ttft_p99_s"])
            floors.append(ours["ttft_mean_s"] / rows["least_in_flight"]["ttft_mean_s"])
            name = source[1] if source[0] == "--family" else pathlib.Path(source[0]).name
            print(f"  {name:<32} {load:.0%} of {replicas} × {cache // 1000}k, noise {noise}:"
                  f" ÷ greedy mean {ratios[-1]:.3f} p99 {tails[-1]:.3f}, ÷ least in flight {floors[-1]:.3f}")
    head = replay(
        options.homing, "--policies", "expected_ttft", "--utilisation", 0.1, "--family", "shared_head", "--requests",
        options.requests)["expected_ttft"]
    return [
        goal("÷ greedy with true knowledge, mean TTFT, geometric mean", geometric(ratios), 0.75),
        goal("÷ greedy with true knowledge, p99, geometric mean", geometric(tails), 0.90),
        goal("÷ greedy with true knowledge, mean TTFT, worst scenario", max(ratios), 1.10),
        goal("÷ least in flight, mean TTFT, worst scenario", max(floors), 1.05),
        goal("all share the first block: largest share × replicas", head["max_share"] * 8, 1.2),
    ]


def wrong_starts(options: argparse.Namespace) -> list[bool]:
    met = []
    for family in ["agents", "documents", "conversations"]:
        scenario = [
            "--policies", "expected_ttft", "--utilisation", 0.7, "--family", family, "--requests", options.requests]
        right = replay(options.homing, *scenario)["expected_ttft"]
        for name, start in [
            ("rate × 10", ["--start-prefill", 60_000]), ("rate ÷ 10", ["--start-prefill", 600]),
            ("cache ÷ 10", ["--start-cache-tokens", 200_000]), ("cache × 10", ["--start-cache-tokens", 20_000_000]),
        ]:
            wrong = replay(options.homing, *scenario, *start)["expected_ttft"]
            met.append(goal(f"{family}, {name} at the start: mean TTFT ÷ usual", wrong["ttft_mean_s"] / right["ttft_mean_s"], 1.05))
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench routing")
    parser.add_argument("--homing", default=".build/release/homing", help="the program to ask")
    parser.add_argument("--requests", type=int, default=4_000, help="of made-up traffic")
    parser.add_argument("--seed", type=int, default=7, help="of made-up traffic")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    parser.add_argument("trace", nargs="*", default=[str(HERE / "small_trace.jsonl")], help="JSON lines")
    options = parser.parse_args()
    traces(options)
    print("== goals")
    met = conversation_goals(options) + family_goals(options) + wrong_starts(options)
    print(f"{sum(met)} of {len(met)} goals met")
    if options.strict and not all(met):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

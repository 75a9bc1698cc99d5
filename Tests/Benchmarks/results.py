"""The rounds of a workload, what follows from them, and how that is told."""

import statistics
from dataclasses import asdict, dataclass, field

from workloads import Workload

#: The name of a load that goes to a worker without a proxy.
DIRECT = "direct"
FIGURES = ["cost", "per_second", "p50_us", "p99_us", "memory_mb", "load_busy", "workers_busy"]


@dataclass
class Round:
    """One load through one proxy. `problem` says why it does not count."""

    proxy: str
    number: int = 0
    #: In the unit of the workload: CPU µs per request or message, or bytes.
    cost: float = 0.0
    per_second: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    memory_mb: float = 0.0
    #: Shares of one core that the load generator and all workers used: near 1 the proxy had to wait for them.
    load_busy: float = 0.0
    workers_busy: float = 0.0
    problem: str = ""


@dataclass
class Result:
    """The rounds of one workload."""

    workload: Workload
    rounds: list[Round] = field(default_factory=list)

    def valid(self, proxy: str) -> dict[int, Round]:
        return {round.number: round for round in self.rounds if round.proxy == proxy and not round.problem}

    def median(self, proxy: str, what: str = "cost") -> float:
        """Of the valid rounds; 0 when there are none."""
        return statistics.median([getattr(round, what) for round in self.valid(proxy).values()] or [0.0])

    def ratios(self, subject: str, baseline: str) -> list[float]:
        """Cost by cost, for every round in which both are valid."""
        mine, theirs = self.valid(subject), self.valid(baseline)
        return [mine[number].cost / theirs[number].cost
                for number in sorted(mine.keys() & theirs.keys()) if theirs[number].cost > 0]

    def ratio(self, subject: str, baseline: str) -> float:
        """The median ratio; 0 when there is no round for it."""
        return statistics.median(self.ratios(subject, baseline) or [0.0])

    def added(self, proxy: str, what: str) -> float:
        """A median time, without what a worker takes that is called directly, where that was measured."""
        return self.median(proxy, what) - self.median(DIRECT, what)

    def best(self, names: list[str]) -> str:
        """The cheapest of the peers, in the median; homing, when there is none."""
        peers = [name for name in names if name != "homing" and self.valid(name)]
        return min(peers, key=self.median, default="homing")

    def problems(self, names: list[str], rounds: int) -> list[str]:
        """What makes this result unfit for use: a proxy without a majority of valid rounds."""
        found = []
        for name in names:
            if (count := len(self.valid(name))) < rounds // 2 + 1:
                said = "; ".join(sorted({round.problem for round in self.rounds if round.proxy == name} - {""}))
                found.append(f"{self.workload.name}: only {count} of {rounds} rounds of {name} are valid: {said}")
        return found


def goal(result: Result, names: list[str]) -> str:
    load = result.workload
    if load.goal:
        return f"÷ best ≤ {load.goal:g}"
    if load.most:
        return f"≤ {load.most:,.0f}"
    return f"p99 ≤ {min((result.added(name, 'p99_us') for name in names if name != 'homing'), default=0):+,.0f}"


def cells(result: Result, name: str, names: list[str]) -> list[str]:
    """One row of the table."""
    load, best = result.workload, result.best(names)
    count = len(result.valid(name))
    if not count:
        return [load.name, name, "no valid round"]
    ratios = result.ratios(name, best)
    row = [load.name, name, f"{result.median(name):,.2f}", load.unit,
           f"{result.ratio(name, 'nghttpx'):.2f}", f"{result.ratio(name, best):.2f}",
           f"{min(ratios, default=0):.2f}–{max(ratios, default=0):.2f}", goal(result, names) if name == "homing" else ""]
    if load.kind in ("idle", "held"):
        return [*row, "", "", "", f"{result.median(name, 'memory_mb'):.0f}", "", "", str(count)]
    sign = "+" if load.is_about_latency else ""
    return [*row, f"{result.median(name, 'per_second'):,.0f}", f"{result.added(name, 'p50_us'):{sign},.0f}",
            f"{result.added(name, 'p99_us'):{sign},.0f}", f"{result.median(name, 'memory_mb'):.0f}",
            f"{result.median(name, 'load_busy'):.0%}", f"{result.median(name, 'workers_busy'):.0%}", str(count)]


def table(results: list[Result], names: list[str]) -> str:
    rows = [["load", "proxy", "cost", "", "÷ nghttpx", "÷ best", "min–max", "goal", "per s", "p50 µs", "p99 µs", "MB",
             "load", "workers", "rounds"]]
    for result in results:
        rows += [cells(result, name, names) for name in names]
    rows = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_json(results: list[Result], names: list[str]) -> dict:
    return {"results": [
        {
            "workload": asdict(result.workload),
            "best_peer": result.best(names),
            "medians": {name: {what: result.median(name, what) for what in FIGURES} for name in names},
            "ratio_to_nghttpx": {name: result.ratio(name, "nghttpx") for name in names},
            "ratio_to_best": {name: result.ratio(name, result.best(names)) for name in names},
            "rounds": [asdict(round) for round in result.rounds],
        }
        for result in results
    ]}

"""What is measured: the table of workloads, each with the goal for homing ÷ best peer."""

from dataclasses import dataclass

#: Bytes of one answer's message in its frame; worker.c sends it.
REPLY = 35
#: Messages of a stream at full speed, and the distance of those of a paced one.
MESSAGES, INTERVAL_MS = 128, 20
#: A distance at which a stream has one message and then is silent.
NEVER_MS = 1_000_000


@dataclass(frozen=True)
class Workload:
    """A load, and how its cost is counted."""

    name: str
    says: str
    #: closed: h2load, so many at a time. fresh, rate, paced: load.c, see there. idle, held: memory of what is open.
    kind: str = "closed"
    requests: int = 0
    connections: int = 8
    streams: int = 16
    method: str = "Predict"
    prompt: int = 200
    messages: int = 1
    #: Requests per second of `rate`.
    rate: int = 0
    #: Seconds of `paced`.
    seconds: float = 0
    tls: bool = False
    #: homing ÷ best peer that is wanted of the cost; 0: another goal.
    goal: float = 0
    #: The most that homing may cost, in the unit of the workload; 0: another goal.
    most: float = 0
    #: What is added to p50 and p99 counts: homing's p99 is to be no more than that of the best peer.
    is_about_latency: bool = False

    @property
    def unit(self) -> str:
        if self.kind == "idle":
            return "B/connection"
        if self.kind == "held":
            return "B/stream"
        return "µs/message" if self.messages > 1 or self.kind == "paced" else "µs/request"

    @property
    def worker_options(self) -> list[str]:
        interval = {"paced": INTERVAL_MS, "held": NEVER_MS}.get(self.kind)
        if interval:
            return ["--messages", "100000000", "--interval-ms", str(interval)]
        return ["--messages", str(MESSAGES)]


WORKLOADS = [
    Workload("A", "unary 200 B, 8 × 16", requests=100_000, goal=0.8),
    Workload("A32", "unary 200 B, 32 × 1", requests=50_000, connections=32, streams=1, goal=0.9),
    Workload("ATLS", "A over TLS", requests=100_000, tls=True, goal=0.75),
    Workload("B", "unary 12 KB, 8 × 16", requests=50_000, prompt=12 * 1024, goal=0.7),
    Workload("C", "128 messages at full speed, 2 KB prompt, 8 × 8", requests=15_000, streams=8, prompt=2_048,
             method="PredictStream", messages=MESSAGES, goal=0.8),
    Workload("CP", "64 × 8 streams, a message every 20 ms", "paced", connections=64, streams=8, seconds=8,
             method="PredictStream", prompt=2_048, goal=0.9),
    Workload("CP1", "256 × 1 streams, a message every 20 ms", "paced", connections=256, streams=1, seconds=8,
             method="PredictStream", prompt=2_048, goal=1.0),
    Workload("D1", "one request at a time", requests=10_000, connections=1, streams=1, is_about_latency=True),
    Workload("DP", "Poisson, 4,000 a second over 32 connections", "rate", requests=20_000, connections=32, rate=4_000,
             is_about_latency=True),
    Workload("F", "a connection for every request, 16 at a time", "fresh", requests=10_000, connections=16, goal=1.2),
    Workload("MC", "memory of 1,000 idle connections", "idle", requests=1_000, connections=1_000, streams=1, goal=1.0),
    Workload("MS", "memory of 10,000 open idle streams, 100 × 100", "held", connections=100, streams=100, seconds=1,
             method="PredictStream", most=8_192),
]
#: Names that stand for two workloads.
PAIRS = {"D": ["D1", "DP"], "M": ["MC", "MS"]}


def named(names: str) -> list[Workload]:
    """The workloads of a list such as A,CP1,D; raises ValueError for one that there is not."""
    wanted = [part for name in names.split(",") for part in PAIRS.get(name, [name])]
    known = {workload.name: workload for workload in WORKLOADS}
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"no workload {', '.join(unknown)}; there are {', '.join([*known, *PAIRS])}")
    return [known[name] for name in wanted]

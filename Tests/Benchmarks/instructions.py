"""Instructions per request in homing and in nghttpx, counted by valgrind's callgrind: nearly the same in every run on a
machine however busy (A and B within about 1 %, C within 6 %, for reads bring more or fewer messages). One kind of
request at a time; two runs, with N and with 2N requests, whose difference has no start-up in it. Called by scripts/bench
instructions.

The kinds: A unary 200 B, B unary 12 KB, C one message of a stream of 128. Four connections of one stream each unless told
otherwise, so that requests do not come in ever different batches.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass

from body import body
from loads import Load, outcome, start_workers
from peers import ROOT, Place, start_homing, start_nghttpx
from processes import Cores
from workloads import MESSAGES

#: name: method, prompt bytes, messages of an answer, requests.
KINDS = {
    "A": ("Predict", 200, 1, 1_000),
    "B": ("Predict", 12 * 1024, 1, 500),
    "C": ("PredictStream", 2_048, MESSAGES, 60),
}
STARTERS = {"homing": start_homing, "nghttpx": start_nghttpx}


class UnderValgrind(Place):
    """Starts every program under callgrind, whose counts go to a file of the folder."""

    def start(self, name: str, command: list[str]):
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.folder}/counts", "--log-fd=2"]
        return super().start(name, [*tool, *command])


@dataclass
class Count:
    """What a whole run took."""

    total: int
    #: Of every function itself.
    functions: dict[str, int]
    #: Who called the function that was asked for, how often, the most frequent first.
    callers: list[tuple[int, str]]


def count(program: str, kind: str, requests: int, homing: str, arguments: argparse.Namespace) -> Count:
    """Runs a program under callgrind for so many requests."""
    method, prompt, messages, _ = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name, ExitStack() as stack:
        folder, cores = pathlib.Path(name), Cores(1)
        _, addresses = start_workers(2, ["--messages", str(MESSAGES)], folder, cores.workers, stack)
        place = UnderValgrind(addresses, folder, cores, homing=homing, homing_arguments=arguments.homing_arguments)
        file = folder / "body"
        file.write_bytes(body(prompt))
        proxy = STARTERS[program](place)
        with proxy.child:
            options = {"requests": requests, "connections": arguments.connections, "streams": arguments.streams,
                       "method": method, "messages": messages}
            with Load(proxy.address, [str(file)], options, folder, cores.load) as load:
                if problem := outcome(load).problem:
                    raise SystemExit(f"{program}, {kind}: {problem}")
            proxy.child.stop(60)
        counts = folder / "counts"
        return Count(*totals(counts), callers(counts, arguments.callers) if arguments.callers else [])


def annotated(file: pathlib.Path, *options: str) -> str:
    command = ["callgrind_annotate", "--inclusive=no", "--auto=no", *options, str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def callers(file: pathlib.Path, function: str) -> list[tuple[int, str]]:
    """In a tree of callers these stand above the function, each with the number of its calls."""
    before = annotated(file, "--threshold=100", "--tree=caller").partition(f":{function} [")[0].rpartition("\n\n")[2]
    found = re.findall(r"< [^:\s]*:(.+?) \(([\d,]+)x\)", before)
    return sorted(((int(times.replace(",", "")), name) for name, times in found), reverse=True)


def totals(file: pathlib.Path) -> tuple[int, dict[str, int]]:
    """All instructions of a callgrind file, and those of every function itself."""
    said = annotated(file, "--threshold=99.9")
    total = int(re.search(r"^([\d,]+).*PROGRAM TOTALS", said, re.MULTILINE)[1].replace(",", ""))
    functions: dict[str, int] = {}
    for row in re.finditer(r"^ *([\d,]+) (?:\([ \d.]+%\))? *[^:\s]*:(.+?)(?: \[(.*)\])?$", said, re.MULTILINE):
        # Debian's libraries do not name their own functions.
        name = f"{pathlib.Path(row[3] or '?').name} {row[2]}" if row[2].startswith("0x") else row[2]
        functions[name] = functions.get(name, 0) + int(row[1].replace(",", ""))
    return total, functions


def demangled(names: list[str]) -> list[str]:
    """Swift's names as people write them, where the toolchain is there to tell."""
    if not shutil.which("swift-demangle"):
        return names
    said = subprocess.run(["swift-demangle", "-simplified", "-compact"], input="\n".join(names), capture_output=True,
                          text=True, check=True).stdout
    return said.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench instructions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homing", default=str(ROOT / ".build/release/homing"), help="the program to measure")
    parser.add_argument("--homing-arguments", default="", help="more arguments of homing serve")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which of the default %(default)s")
    parser.add_argument("--programs", default=",".join(STARTERS), help="which of the default %(default)s")
    parser.add_argument("--top", type=int, default=25, help="how many functions are listed (default 25)")
    parser.add_argument("--callers", metavar="FUNCTION", help="also list who calls this one in homing, as "
                        "swift_beginAccess, swift_retain or malloc")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    parser.add_argument("--connections", type=int, default=4, help="of the load (default 4)")
    parser.add_argument("--streams", type=int, default=1, help="at a time on each connection (default 1)")
    parser.add_argument("--json", metavar="FILE", help="write the counts there as well")
    arguments = parser.parse_args()
    # Or the tables that are made at the start would take another number of steps in each run.
    os.environ["SWIFT_DETERMINISTIC_HASHING"] = "1"

    told: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as name:
        # Callgrind reads debug sections for minutes, and does not need them to name functions.
        stripped = f"{name}/homing"
        if "homing" in arguments.programs.split(","):
            subprocess.run(["strip", "-g", "-o", stripped, arguments.homing], check=True)
        for kind in arguments.kinds.split(","):
            _, _, messages, usual = KINDS[kind]
            requests = max(10, int(usual * arguments.scale))
            for program in arguments.programs.split(","):
                few = count(program, kind, requests, stripped, arguments)
                many = count(program, kind, requests * 2, stripped, arguments)
                units = requests * messages
                told.setdefault(kind, {})[program] = (many.total - few.total) / units
                unit = "message" if messages > 1 else "request"
                print(f"{kind} {program}: {told[kind][program]:,.0f} instructions per {unit}", flush=True)
                growth = {name: (many.functions[name] - few.functions.get(name, 0)) / units for name in many.functions}
                top = sorted(growth, key=growth.get, reverse=True)[:arguments.top if program == "homing" else 8]
                for name, readable in zip(top, demangled(top)):
                    print(f"  {growth[name]:10,.1f}  {readable[:150]}")
                if many.callers and program == "homing":
                    before = dict((name, times) for times, name in few.callers)
                    calls = [((times - before.get(name, 0)) / units, name) for times, name in many.callers]
                    calls = sorted(calls, reverse=True)[:arguments.top]
                    print(f"  calls of {arguments.callers} per {unit}:")
                    for (times, _), readable in zip(calls, demangled([name for _, name in calls])):
                        print(f"  {times:10,.2f}  {readable[:150]}")
            if len(told[kind]) > 1:
                print(f"{kind} homing ÷ nghttpx: {told[kind]['homing'] / told[kind]['nghttpx']:.2f}\n", flush=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

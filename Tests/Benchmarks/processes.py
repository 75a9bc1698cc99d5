"""Processes of a benchmark: started with their output in a file, measured through /proc, ended by their own id."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import time


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks: state, parent, …"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_of(pid: int) -> float:
    """CPU seconds of the threads that a process has now, user and system, to the nanosecond; utime has 10 ms steps."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def free_port() -> int:
    """A port that was free a moment ago, for programs that refuse port 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Cores:
    """Which cores the proxy, the load and the workers are bound to; with fewer than four, nothing is bound."""

    def __init__(self, threads: int):
        cores = sorted(os.sched_getaffinity(0))
        self.are_bound = len(cores) >= 4
        self.proxy = set(cores[:threads] if self.are_bound else cores)
        self.load = set(cores[threads:threads + 1] if self.are_bound else cores)
        self.workers = set(cores[threads + 1:] if self.are_bound else cores)


class Child:
    """A process of the benchmark whose output goes to a file; ended by its own id."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path, cores: set[int] | None = None,
                 environment: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=stdin, env=os.environ | (environment or {}),
                preexec_fn=lambda: os.sched_setaffinity(0, cores or os.sched_getaffinity(0)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def line(self, pattern: str, limit: float = 15) -> re.Match:
        """The first output line that matches; fails when it does not come or the process ends."""
        end = time.monotonic() + limit
        while True:
            if match := re.search(pattern, self.log.read_text(errors="replace"), re.MULTILINE):
                return match
            self.expect_alive()
            if time.monotonic() > end:
                self.stop()
                raise SystemExit(f"{self.name} did not print {pattern!r} in {limit} s:\n{self.tail()}")
            time.sleep(0.01)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3_000:]

    def expect_alive(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def family(self) -> list[int]:
        """The process and all that descend from it."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int(stat(int(entry.name))[1])
        family = [self.process.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def cpu(self) -> float:
        """CPU seconds of the family."""
        total = 0.0
        for pid in self.family():
            with contextlib.suppress(OSError):
                total += cpu_of(pid)
        return total

    def memory(self) -> int:
        """Bytes of the family's memory; pages that processes share count once."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) * 1024
        return total

    def expect_listening(self, port: int, limit: float = 15):
        """Waits until the family, and nobody else, listens on a TCP port."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            self.expect_alive()
            inodes = set()
            for pid in self.family():
                with contextlib.suppress(OSError):
                    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                        with contextlib.suppress(OSError):
                            if match := re.match(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                                inodes.add(match[1])
            rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
            # Columns: 1 local address, 3 state (0A listens), 9 inode.
            if any(row[3] == "0A" and row[9] in inodes and row[1].endswith(f":{port:04X}") for row in rows):
                return
            time.sleep(0.02)
        raise SystemExit(f"{self.name} does not listen on {port}:\n{self.tail()}")

    def stop(self, limit: float = 10):
        self.process.terminate()
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

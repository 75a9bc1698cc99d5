"""Child processes of the tests: started on port zero, found by the line they print, ended by their own id."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from client import Client
from stubs import ROOT

#: Seconds that a process may take to say that it serves.
START_LIMIT = 20


def wait_until(condition, what: str, limit: float = 10.0):
    """Returns the first true value of `condition`, or fails after `limit` seconds naming what did not happen."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.01)


class Process:
    """A child process whose two outputs are collected line by line while it runs."""

    def __init__(self, command: list[str], ready: str):
        self.command = [str(part) for part in command]
        self.ready = re.compile(ready)
        self.launch()

    def launch(self):
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0", "PYTHONUNBUFFERED": "1"},
        )
        self.readers = [
            threading.Thread(target=self.collect, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def collect(pipe, lines: list[str]):
        for line in pipe:
            lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def await_ready(self) -> re.Match:
        """The match of the line that says the process serves."""

        def found():
            for line in list(self.stdout):
                if match := self.ready.search(line):
                    return match
            assert self.is_running, f"{self.name} ended with {self.process.returncode} before it served\n{self.tail()}"
            return None

        return wait_until(found, f"{self.name} says that it serves\n{self.tail()}", START_LIMIT)

    @property
    def name(self) -> str:
        return " ".join(pathlib.Path(part).name for part in self.command[:3])

    def tail(self, count: int = 60) -> str:
        """The last lines of both outputs, for the report of a failed test."""
        out, err = "\n".join(self.stdout[-count:]), "\n".join(self.stderr[-count:])
        return f"--- {' '.join(self.command)}\n--- stdout\n{out}\n--- stderr\n{err}"

    def kill(self):
        """SIGKILL, as the out-of-memory killer sends it."""
        self.process.kill()
        self.process.wait()

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, limit: float = 15) -> int:
        """SIGTERM; returns the exit code, negative for a signal."""
        if self.is_running:
            self.process.terminate()
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {limit} s of SIGTERM\n{self.tail()}") from None
        for reader in self.readers:
            reader.join(limit)
        return code


class Worker(Process):
    """A worker of worker.py in its own process."""

    def __init__(self, *arguments: str):
        program = pathlib.Path(__file__).with_name("worker.py")
        super().__init__([sys.executable, program, *arguments], r"^worker grpc=(\S+)(?: control=(\S+))?$")
        self.address = ""
        self.control: Client | None = None

    def started(self) -> "Worker":
        ready = self.await_ready()
        self.address = ready[1]
        self.control = Client(ready[2] or self.address)
        return self

    def snapshot(self) -> dict:
        """What the worker saw since it started; asked on a connection of its own, past any proxy."""
        import json

        return json.loads(self.control.call("/test.Control/Snapshot", b"").reply)

    def count(self, path: str, what: str = "started") -> int:
        return self.snapshot()["methods"].get(path, {}).get(what, 0)

    def restart(self):
        """A new process on the same port, without the old one's model."""
        port = self.address.rsplit(":", 1)[1]
        self.control.channel.close()
        command = self.command
        if "--port" not in command:
            command += ["--port", port]
        self.launch()
        address = self.await_ready()[1]
        assert address == self.address
        self.control = Client(self.address)

    def stop(self):
        if self.control:
            self.control.channel.close()
        if self.is_running:
            self.resume()
        self.terminate()


def program() -> str:
    """The built program; `HOMING_BIN` names another one."""
    return os.environ.get("HOMING_BIN", str(ROOT / ".build" / "debug" / "homing"))



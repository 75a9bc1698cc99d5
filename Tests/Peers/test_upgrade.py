"""SIGUSR2 puts a new process in the place of a running one: callers lose nothing, and a new one that fails changes nothing."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from client import PREDICT_STREAM, Client, prompt, script
from fleet import SERVING
from processes import Worker, program, wait_until
from raw import frame
from stubs import make, pb

DONE = re.compile(r"\bpid=(\d+)\b.*upgrade done")
FAILED = "upgrade failed, this process goes on"


def exists(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def listeners_of(pid: int) -> int:
    """How many of the process's descriptors are listening sockets."""
    inodes = set()
    for table, state, column in (("tcp", "0A", 9), ("tcp6", "0A", 9)):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == state:
                inodes.add(words[column])
    for line in pathlib.Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[3], 16) & 0x10000:
            inodes.add(words[6])
    found = 0
    for name in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(name)
        except FileNotFoundError:
            continue
        found += target.startswith("socket:[") and target[8:-1] in inodes
    return found


class Generations:
    """The processes that follow each other, by what the first one's log says: they all write to the same one."""

    def __init__(self, homing):
        self.homing = homing
        self.pids = [homing.pid]

    @property
    def pid(self) -> int:
        return self.pids[-1]

    def failures(self) -> list[str]:
        return [line for line in list(self.homing.stderr) if FAILED in line]

    def successors(self) -> list[int]:
        return [int(match[1]) for line in list(self.homing.stderr) if (match := DONE.search(line))]

    def serving(self) -> list[re.Match]:
        return [match for line in list(self.homing.stdout) if (match := re.match(SERVING, line))]

    def upgrade(self) -> int:
        """Replaces the newest process and returns the new one's id."""
        before = len(self.successors())
        os.kill(self.pid, signal.SIGUSR2)
        wait_until(lambda: len(self.successors()) > before, f"the upgrade\n{self.homing.tail()}", 20)
        self.pids.append(self.successors()[-1])
        return self.pid

    def fail(self) -> str:
        """Asks for an upgrade that cannot work, and returns what the log says of it."""
        before = len(self.failures())
        os.kill(self.pid, signal.SIGUSR2)
        wait_until(lambda: len(self.failures()) > before, f"the failure\n{self.homing.tail()}", 20)
        return self.failures()[-1]

    def stop(self):
        """Ends the newest process; the older ones have to end by themselves."""
        if len(self.pids) > 1:
            os.kill(self.pid, signal.SIGTERM)
        else:
            assert self.homing.terminate() == 0, self.homing.tail()
        for pid in self.pids[1:]:
            wait_until(lambda: not exists(pid), f"{pid} ends\n{self.homing.tail()}", 20)
        assert self.homing.process.wait(20) == 0, self.homing.tail()


@pytest.fixture
def generations(own_fleet, request):
    made = []

    def start(fleet) -> Generations:
        made.append(Generations(fleet.homing))
        return made[-1]

    yield start
    for each in made:
        each.stop()


class Traffic:
    """Calls one after the other, each on a connection of its own, until told to stop."""

    def __init__(self, call, count: int):
        self.call = call
        self.stopping = threading.Event()
        self.outcomes = []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopping.is_set():
            self.outcomes.append(self.call())

    def await_more(self, count: int):
        goal = len(self.outcomes) + count
        wait_until(lambda: len(self.outcomes) >= goal, f"{count} more calls", 20)

    def stop(self) -> list[str]:
        """Says what went wrong with which call."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return [said for said in self.outcomes if said]


def by_grpcio(address: str):
    def call() -> str:
        with Client(address) as client:
            outcome = client.predict("a nest")
            return "" if outcome.ok else f"{outcome.code.name}: {outcome.details}"

    return call


def by_h2load(address: str, body: pathlib.Path):
    """Eight connections with one request each; on a connection that is told to go h2load makes no further ones."""
    command = ["h2load", "-n", "8", "-c", "8", "-m", "1", "-d", str(body)]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    command += [f"http://{address}/backend.Backend/Predict"]

    def call() -> str:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        return "" if "8 succeeded, 0 failed, 0 errored, 0 timeout" in said and "8 2xx" in said else said

    return call


def test_three_replacements_lose_no_call(own_fleet, generations, tmp_path):
    fleet = own_fleet(2)
    line = generations(fleet)
    body = tmp_path / "body"
    body.write_bytes(frame(make(pb.PredictOptions, Prompt="a nest").SerializeToString()))

    traffic = [Traffic(by_grpcio(fleet.address), 3), Traffic(by_h2load(fleet.address, body), 1)]
    with fleet.client() as lasting, fleet.client() as streaming:
        streams = []
        for _ in range(3):
            for each in traffic:
                each.await_more(3)
            streams.append(streaming.start(PREDICT_STREAM, prompt("x"), script(messages=100, interval_s=0.02)))
            streams[-1].next()
            line.upgrade()
            assert lasting.predict("still here").ok
        for each in traffic:
            each.await_more(3)
            assert each.stop() == []
        for stream in streams:
            rest = stream.outcome()
            assert rest.ok and len(rest.replies) == 99, f"{rest.code}: {rest.details}"

    # The old ones are gone, and the new one knows of its own calls only.
    assert fleet.homing.process.wait(20) == 0
    for pid in line.pids[1:-1]:
        wait_until(lambda: not exists(pid), f"{pid} ends", 20)
    metrics = fleet.homing.metrics()
    assert metrics.sum("homing_streams_active") == 0
    before = metrics.sum("homing_streams_total", method="Predict")
    with fleet.client() as client:
        assert client.predict("one more").ok
    after = fleet.homing.metrics().sum("homing_streams_total", method="Predict")
    assert after == before + 1
    assert fleet.homing.get("/ready") == (200, "ready")
    assert len(line.serving()) == 4 and len({(match[1], match[2]) for match in line.serving()}) == 1


def test_the_old_process_listens_nowhere_while_it_drains(own_fleet, generations):
    fleet = own_fleet(1)
    line = generations(fleet)
    with fleet.client() as client:
        stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=60, interval_s=0.05))
        stream.next()
        assert listeners_of(line.pids[0]) == 2
        line.upgrade()
        wait_until(lambda: listeners_of(line.pids[0]) == 0, "the old one's listeners are closed")
        assert listeners_of(line.pid) == 2
        assert stream.outcome().ok
    assert fleet.homing.process.wait(10) == 0


def test_another_upgrade_signal_does_not_end_the_process_that_drains(own_fleet, generations):
    fleet = own_fleet(1)
    line = generations(fleet)
    with fleet.client() as client:
        stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=40, interval_s=0.05))
        stream.next()
        line.upgrade()
        os.kill(line.pids[0], signal.SIGUSR2)
        assert stream.outcome().ok
    assert fleet.homing.process.wait(10) == 0
    assert len(line.successors()) == 1


def test_a_unix_socket_goes_from_hand_to_hand_and_leaves_no_file(own_fleet, generations, tmp_path):
    path = tmp_path / "homing.sock"
    fleet = own_fleet(1, "--listen", f"unix:{path}")
    line = generations(fleet)
    inode = path.stat().st_ino
    for _ in range(2):
        line.upgrade()
        wait_until(lambda: not exists(line.pids[-2]), "the old one is gone")
        assert path.stat().st_ino == inode
        with Client(f"unix:{path}") as client:
            assert client.predict("x").ok
    line.stop()
    assert not path.exists()


@pytest.fixture
def own_configuration(configured, tmp_path):
    """A fleet on a configuration file that a test may change, and that file."""

    def start(**sections):
        worker = Worker().started()
        content = {"clusters": [{"name": "nest", "replicas": [worker.address]}], **sections}
        content.setdefault("listeners", ["127.0.0.1:0"])
        return configured(content, [worker]), tmp_path / "homing.yaml", content

    return start


def test_the_new_process_reads_the_configuration_anew(own_configuration, generations):
    fleet, path, content = own_configuration()
    line = generations(fleet)
    content["proxy"] = {"explain": "always"}
    path.write_text(json.dumps(content))
    line.upgrade()
    with fleet.client() as client:
        assert client.predict("x").header("x-homing-replica") == fleet.workers[0].address


def test_a_listener_that_the_new_configuration_lacks_is_closed(own_configuration, generations):
    fleet, path, content = own_configuration(listeners=["127.0.0.1:0", "127.0.0.2:0"])
    line = generations(fleet)
    content["listeners"] = ["127.0.0.2:0"]
    path.write_text(json.dumps(content))
    line.upgrade()
    wait_until(lambda: not exists(line.pids[0]), "the old one is gone")
    assert listeners_of(line.pid) == 2
    with Client(fleet.homing.addresses[1]) as client:
        assert client.predict("x").ok


def test_a_broken_configuration_changes_nothing(own_configuration, generations):
    fleet, path, content = own_configuration()
    line = generations(fleet)
    good = path.read_text()
    with fleet.client() as client:
        stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=40, interval_s=0.05))
        stream.next()
        path.write_text("clusters: [{nam: nest}]")
        assert "exit code 65" in line.fail()
        assert any("did you mean" in text for text in fleet.homing.stderr)
        assert client.predict("x").ok and stream.outcome().ok
        assert fleet.homing.metrics().sum("homing_upgrades_failed_total") == 1
        path.write_text(good)
        line.upgrade()
        assert client.predict("x").ok


def test_a_new_program_that_crashes_or_hangs_changes_nothing(own_configuration, generations, tmp_path, monkeypatch):
    copy = tmp_path / "homing"
    copy.symlink_to(program())
    monkeypatch.setenv("HOMING_BIN", str(copy))
    fleet, _, _ = own_configuration(upgrade={"ready_timeout_ms": 300})
    line = generations(fleet)

    def install(text: str | None):
        fresh = tmp_path / "fresh"
        if text is None:
            fresh.symlink_to(os.path.realpath(os.environ["REAL_HOMING"]))
        else:
            fresh.write_text(text)
            fresh.chmod(0o755)
        fresh.rename(copy)

    monkeypatch.setenv("REAL_HOMING", os.path.realpath(str(copy)))
    with fleet.client() as client:
        install("#!/bin/sh\nkill -SEGV $$\n")
        assert "ended before it was ready" in line.fail()
        install("#!/bin/sh\nexec sleep 600\n")
        assert "not ready in time" in (said := line.fail())
        pid = int(re.search(r"\bpid=(\d+)\b", said)[1])
        wait_until(lambda: not exists(pid), "the one that hangs is ended")
        install("no program at all")
        assert "cannot be started" in line.fail()
        copy.unlink()
        assert "cannot be started" in line.fail()
        assert client.predict("x").ok and fleet.homing.get("/ready")[0] == 200
        assert fleet.homing.metrics().sum("homing_upgrades_failed_total") == 4
        install(None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOMING_BIN", str(copy))
            os.kill(line.pid, signal.SIGUSR2)
        # Debug builds under load may need more than 300 ms: both ends of the race are right, and neither loses a call.
        wait_until(lambda: line.successors() or len(line.failures()) == 5, "the good one is tried", 20)
        line.pids += line.successors()
        assert client.predict("x").ok


def test_sigterm_while_the_new_process_starts_ends_both(own_configuration, generations, tmp_path, monkeypatch):
    copy = tmp_path / "homing"
    copy.symlink_to(program())
    monkeypatch.setenv("HOMING_BIN", str(copy))
    fleet, _, _ = own_configuration()
    pidfile = tmp_path / "pid"
    fresh = tmp_path / "fresh"
    fresh.write_text(f"#!/bin/sh\necho $$ > {pidfile}.new; mv {pidfile}.new {pidfile}\nexec sleep 600\n")
    fresh.chmod(0o755)
    fresh.rename(copy)
    fleet.homing.process.send_signal(signal.SIGUSR2)
    wait_until(pidfile.exists, "the new one has started")
    assert fleet.homing.terminate() == 0
    wait_until(lambda: not exists(int(pidfile.read_text())), "the new one is ended")

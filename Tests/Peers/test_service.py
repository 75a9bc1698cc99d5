"""Under a service manager: what it hears on its socket, and sockets that it opens. systemd's own tools are the strangers."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from client import PREDICT_STREAM, Client, prompt, script
from fleet import SERVING, Fleet, Homing
from processes import Process, Worker, program, wait_until
from stubs import ROOT
from test_upgrade import Generations, exists

UNITS = ROOT / "scripts" / "deploy" / "systemd"


class Manager:
    """The end of NOTIFY_SOCKET that a service manager holds: which process said what. It reads all the time."""

    def __init__(self, address: str, reads: bool = True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.heard: list[tuple[int, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self.reader = threading.Thread(target=self.keep_reading, daemon=True)
        if reads:
            self.reader.start()

    def keep_reading(self):
        while not self.closed.wait(0.02):
            self.listen()

    def close(self):
        self.closed.set()
        if self.reader.is_alive():
            self.reader.join()
        self.socket.close()

    def listen(self) -> list[tuple[int, dict[str, str]]]:
        with self.lock:
            while True:
                try:
                    data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
                except BlockingIOError:
                    return list(self.heard)
                pid = int.from_bytes(ancillary[0][2][:4], "little")
                self.heard.append((pid, dict(line.split("=", 1) for line in data.decode().splitlines())))

    def await_key(self, key: str, value: str | None = None, pid: int | None = None) -> tuple[int, dict[str, str]]:
        def found():
            for sender, said in self.listen():
                if key in said and value in (None, said[key]) and pid in (None, sender):
                    return sender, said
            return None

        return wait_until(found, f"{key}={value} by {pid}, among {self.heard}", 20)

    def keys(self) -> list[str]:
        return [key for _, said in self.listen() for key in said]


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    address = str(tmp_path / "notify") if request.param == "path" else f"@homing-test-{os.getpid()}-{request.node.name}"
    manager = Manager(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    yield manager
    manager.close()


def test_the_manager_hears_ready_status_reload_and_stopping(manager, own_fleet):
    fleet = own_fleet(2)
    pid, said = manager.await_key("READY", "1")
    assert pid == fleet.homing.pid and "2 replicas" in said["STATUS"]
    with fleet.client() as client:
        stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=2, interval_s=4))
        stream.next()
        wait_until(lambda: any("serving: 1 streams" in said.get("STATUS", "") for _, said in manager.listen()), "status")
        stream.cancel()
    before = len(manager.heard)
    fleet.homing.process.send_signal(signal.SIGHUP)
    _, said = manager.await_key("RELOADING", "1")
    assert int(said["MONOTONIC_USEC"]) > 0
    wait_until(lambda: any("READY" in said for _, said in manager.listen()[before:]), "ready again")
    assert fleet.homing.terminate() == 0
    manager.await_key("STOPPING", "1")
    assert manager.keys().index("STOPPING") > manager.keys().index("RELOADING")


def test_the_manager_hears_nothing_before_homing_serves(manager, tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [program(), "serve", "--admin", "off", "--listen", address, "--replica", "127.0.0.1:1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 69 and "cannot listen" in done.stderr
    assert "READY" not in manager.keys()


def test_the_watchdog_is_fed_twice_as_often_as_it_bites(manager, own_fleet, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    fleet = own_fleet(1)
    wait_until(lambda: manager.listen() and manager.keys().count("WATCHDOG") >= 5, "five meals")
    # A process that does not turn says nothing; the manager would end it.
    fleet.homing.suspend()
    before = manager.keys().count("WATCHDOG")
    wait_until(lambda: (manager.listen(), True)[1], "what was on its way")
    assert manager.keys().count("WATCHDOG") <= before + 1
    fleet.homing.resume()
    wait_until(lambda: manager.keys().count("WATCHDOG") > before + 2, "it is fed again")


def test_a_watchdog_of_another_process_is_not_fed(manager, own_fleet, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    own_fleet(1)
    manager.await_key("READY", "1")
    assert "WATCHDOG" not in manager.keys()


def test_an_upgrade_tells_the_manager_which_process_it_is_now(manager, own_fleet, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    fleet = own_fleet(1)
    line = Generations(fleet.homing)
    manager.await_key("READY", "1")
    try:
        with fleet.client() as client:
            stream = client.start(PREDICT_STREAM, prompt("x"), script(messages=40, interval_s=0.05))
            stream.next()
            line.upgrade()
            sender, said = manager.await_key("MAINPID")
            assert sender == line.pids[0] and int(said["MAINPID"]) == line.pid
            manager.await_key("READY", "1", pid=line.pid)
            manager.await_key("WATCHDOG", "1", pid=line.pid)
            assert stream.outcome().ok
        assert fleet.homing.process.wait(20) == 0
        manager.listen()
        spoken = [pid for pid, _ in manager.heard]
        # Once the service is another process, the old one is silent: no STOPPING, which would be taken for the new one's.
        assert line.pids[0] not in spoken[spoken.index(line.pid):]
        assert "STOPPING" not in manager.keys()
        # What lives on is nobody's child here, so that a manager that is process 1 hears of its end.
        parent = int(pathlib.Path(f"/proc/{line.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert parent != line.pids[0]
    finally:
        line.stop()
    manager.await_key("STOPPING", "1", pid=line.pid)


def test_a_manager_that_does_not_read_holds_up_no_upgrade(own_fleet, tmp_path, monkeypatch):
    """Its queue is full when the upgrade begins: the process that leaves waits some seconds to say who follows it."""
    manager = Manager(str(tmp_path / "notify"), reads=False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    fleet = own_fleet(1)
    line = Generations(fleet.homing)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                others.sendto(b"STATUS=full", str(tmp_path / "notify"))
    line.upgrade()
    with fleet.client() as client:
        assert client.call(PREDICT_STREAM, prompt("x")).ok
    line.stop()
    manager.close()


def test_what_is_for_homing_alone_is_not_in_its_environment(own_fleet, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    fleet = own_fleet(1)
    line = Generations(fleet.homing)
    manager.await_key("READY", "1")
    line.upgrade()
    try:
        manager.await_key("READY", "1", pid=line.pid)
        start = pathlib.Path(f"/proc/{line.pid}/environ").read_bytes().split(b"\0")
        names = {entry.split(b"=", 1)[0] for entry in start}
        assert {b"NOTIFY_SOCKET", b"LISTEN_FDS", b"HOMING_HANDOVER"} <= names and b"WATCHDOG_PID" not in names
        assert f"LISTEN_PID={line.pid}".encode() in start
    finally:
        line.stop()


# Socket activation.


class Activated(Homing):
    """`homing serve` behind systemd-socket-activate, which opens sockets and starts it with the first connection."""

    def __init__(self, sockets: list[str], configuration: pathlib.Path, *options: str):
        tool = shutil.which("systemd-socket-activate")
        assert tool, "systemd-socket-activate is missing: it is in Debian's package systemd"
        command = [tool, *options]
        for each in sockets:
            command += ["-l", each]
        Process.__init__(self, [*command, program(), "serve", "-c", str(configuration)], SERVING)

    def await_listening(self, count: int):
        said = lambda: sum("Listening on" in line for line in list(self.stderr))
        wait_until(lambda: said() == count, f"systemd-socket-activate listens\n{self.tail()}")


@pytest.fixture
def activated(own_fleet, request, tmp_path):
    def start(sockets: list[str], configuration: dict, *options: str) -> Fleet:
        worker = Worker().started()
        fleet = Fleet([worker], None)
        request.node.fleets.append(fleet)
        path = tmp_path / "homing.yaml"
        content = {"admin": {"address": "127.0.0.1:0"}, **configuration}
        content["clusters"] = [{"name": "nest", "replicas": [worker.address]}]
        path.write_text(json.dumps(content))
        fleet.homing = Activated(sockets, path, *options)
        fleet.homing.await_listening(len(sockets))
        return fleet

    return start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_tcp_socket_of_the_manager_takes_the_place_of_the_listener_with_its_address(activated):
    address = f"127.0.0.1:{free_port()}"
    fleet = activated([address], {"listeners": [address]})
    with Client(address) as client:
        # The call itself starts the program, and waits for it.
        assert client.predict("x").ok
        fleet.homing.started()
        assert fleet.homing.address == address
        assert client.predict("y").ok


def test_a_wildcard_socket_of_the_manager_serves_a_listener_on_all_addresses(activated):
    port = free_port()
    fleet = activated([str(port)], {"listeners": [f"0.0.0.0:{port}"]})
    with Client(f"127.0.0.1:{port}") as client:
        assert client.predict("x").ok
    fleet.homing.started()


def test_a_socket_is_found_by_its_name(activated):
    address = f"127.0.0.1:{free_port()}"
    fleet = activated(
        [address], {"listeners": [{"address": "127.0.0.1:0", "socket_name": "callers"}]}, "--fdname=callers"
    )
    with Client(address) as client:
        assert client.predict("x").ok
    fleet.homing.started()
    assert fleet.homing.address == address


def test_the_admin_port_is_the_managers_too(activated):
    address, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    fleet = activated([address, admin], {"listeners": [address], "admin": {"address": admin}}, "--fdname=callers:admin")
    with Client(address) as client:
        assert client.predict("x").ok
    fleet.homing.started()
    assert fleet.homing.admin == admin and fleet.homing.get("/ready")[0] == 200


def test_the_file_of_a_unix_socket_stays_the_managers(activated, tmp_path):
    path = tmp_path / "homing.sock"
    fleet = activated([str(path)], {"listeners": [f"unix:{path}"]})
    line = Generations(fleet.homing)
    with Client(f"unix:{path}") as client:
        assert client.predict("x").ok
    fleet.homing.started()
    line.upgrade()
    wait_until(lambda: not exists(line.pids[0]), "the old one is gone")
    with Client(f"unix:{path}") as client:
        assert client.call(PREDICT_STREAM, prompt("x")).ok
    line.stop()
    assert path.exists()


def test_a_socket_that_nothing_is_for_is_an_error(activated):
    address, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    fleet = activated([address, other], {"listeners": [address]}, "--fdname=one:two")
    with socket.create_connection(tuple([address.split(":")[0], int(address.split(":")[1])])):
        assert fleet.homing.process.wait(20) == 69
    for reader in fleet.homing.readers:
        reader.join(10)
    said = "\n".join(fleet.homing.stderr)
    assert f"inherited sockets that no listener is for, and neither is the admin port: {other} (two)" in said, said


def test_a_socket_that_does_not_listen_is_an_error(tmp_path):
    left, right = socket.socketpair()
    code = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
    command = ["python3", "-c", code, str(left.fileno()), program(), "serve", "--replica", "127.0.0.1:1"]
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "odd"}
    with left, right:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=20, pass_fds=[left.fileno()]
        )
    assert done.returncode == 69 and "inherited descriptor 3 (odd) does not listen" in done.stderr, done.stderr


def test_sockets_for_another_process_are_not_touched(own_fleet, monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    fleet = own_fleet(1)
    with fleet.client() as client:
        assert client.predict("x").ok


# The unit files.


@pytest.fixture
def units(tmp_path) -> pathlib.Path:
    """The unit files with the program that was built in the place of the one that a package installs."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/homing", str(pathlib.Path(program()).resolve()))
        # There is no manual page of it on a machine where it is not installed.
        text = re.sub(r"^Documentation=man:.*\n", "", text, flags=re.M)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_finds_nothing_wrong_with_the_units(units):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=yes", units / "homing.service", units / "homing.socket"],
        capture_output=True, text=True, timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if "homing" in line]
    assert not ours, ours


def test_the_service_is_confined(units):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", units / "homing.service"],
        capture_output=True, text=True, timeout=60,
    )
    # 10 is the worst, 1.4 what it was when this was written.
    level = re.search(r"Overall exposure level for homing.service: (\S+)", done.stdout)
    assert done.returncode == 0 and level and float(level[1]) <= 2.0, done.stdout[-300:]


def test_the_stop_limit_is_above_the_drain_limit(units):
    text = (UNITS / "homing.service").read_text()
    reference = subprocess.run([program(), "check-config", "--reference"], capture_output=True, text=True).stdout
    drain = int(re.search(r"drain_timeout_ms: (\d+)", reference)[1])
    assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) * 1000 > drain + 5000

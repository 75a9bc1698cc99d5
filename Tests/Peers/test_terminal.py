"""`homing status`, `top` and `logs` before a running fleet: what they say, and by which exit code they end."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from client import PREDICT_STREAM, prompt
from processes import Process, Worker, program, wait_until

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HOMING_")}
    return subprocess.run(
        [program(), *arguments], capture_output=True, text=True, timeout=30, env={**clean, **environment}
    )


def test_status_is_a_table_of_the_replicas(fleet):
    with fleet.client() as client:
        assert client.predict("x").ok
    done = run("status", "--admin", fleet.homing.admin)
    assert done.returncode == 0 and done.stderr == ""
    assert "● ready" in done.stdout and "3 of 3 usable" in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line and line[0].isdigit()}
    assert rows.keys() == {worker.address for worker in fleet.workers}
    assert all("● available" in row and "alive" in row for row in rows.values())
    assert "\x1b" not in done.stdout, "colours are for terminals"


def test_status_in_json_is_what_the_admin_port_says(fleet):
    done = run("status", "--json", HOMING_ADMIN=fleet.homing.admin)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["ready"] is True and said["readiness"] == "ready"
    assert {row["address"] for row in said["replicas"]} == {worker.address for worker in fleet.workers}
    assert said["clusters"][0]["policy"] == "prefix_cache"


@pytest.mark.parametrize("command", ["status", "top", "logs"])
def test_nobody_there_is_exit_code_1(command):
    done = run(command, "--admin", "127.0.0.1:1")
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr and "nobody listens there" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--admin", "nowhere"],
        ["status", "--no-such-flag"],
        ["top", "--interval-ms", "1"],
        ["logs", "--limit", "513"],
        ["logs", "--limit", "many"],
    ],
)
def test_a_wrong_flag_is_exit_code_2_and_says_what_is_right(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and "Usage: homing" in done.stderr


def test_a_wrong_address_in_the_environment_is_exit_code_2():
    done = run("status", HOMING_ADMIN="nowhere")
    assert done.returncode == 2 and "HOMING_ADMIN" in done.stderr


def test_a_fleet_that_is_not_ready_is_exit_code_3(own_fleet):
    fleet = own_fleet(1)
    fleet.workers[0].kill()
    address = fleet.workers[0].address
    wait_until(lambda: fleet.homing.replicas()[address]["state"] == "unreachable", "the replica is out")
    done = run("status", "--admin", fleet.homing.admin)
    assert done.returncode == 3 and "✕ not ready: no usable replica in default" in done.stdout
    assert "✕ unreachable" in done.stdout
    assert json.loads(run("status", "--json", "--admin", fleet.homing.admin).stdout)["ready"] is False
    fleet.workers[0].restart()
    wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "it is ready again")


def test_a_token_is_found_where_it_is_said_to_be(configured, tmp_path):
    worker = Worker().started()
    token = tmp_path / "token"
    token.write_text("right\n")
    configuration = {
        "listeners": ["127.0.0.1:0"],
        "admin": {"auth": {"tokens": [{"token_file": str(token)}]}},
        "clusters": [{"name": "chat", "replicas": [worker.address]}],
    }
    fleet = configured(configuration, [worker], awaits_probes=False)
    admin = fleet.homing.admin
    wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "it is ready")
    missing = run("status", "--admin", admin)
    assert missing.returncode == 1 and "HOMING_ADMIN_TOKEN" in missing.stderr
    wrong = run("status", "--admin", admin, HOMING_ADMIN_TOKEN="wrong")
    assert wrong.returncode == 1 and "does not accept the token" in wrong.stderr
    assert run("status", "--admin", admin, HOMING_ADMIN_TOKEN="right").returncode == 0
    assert run("status", "--admin", admin, HOMING_ADMIN_TOKEN_FILE=str(token)).returncode == 0
    assert run("logs", "--admin", admin, "--token-file", str(token)).returncode == 0
    unreadable = run("status", "--admin", admin, "--token-file", str(tmp_path / "none"))
    assert unreadable.returncode == 2 and "cannot be read" in unreadable.stderr
    # What is looked at after every test needs the token too.
    fleet.homing.terminate()


def test_logs_tell_what_happened_oldest_first(own_fleet):
    fleet = own_fleet(2)
    text = run("logs", "--admin", fleet.homing.admin)
    lines = text.stdout.splitlines()
    assert text.returncode == 0 and len(lines) == 3
    assert all(re.match(r"\d\d:\d\d:\d\d info ", line) for line in lines)
    assert sum("replica changed" in line and "to=available" in line for line in lines) == 2
    rows = [json.loads(line) for line in run("logs", "--json", "--admin", fleet.homing.admin).stdout.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3]
    last = run("logs", "--json", "--limit", "1", "--admin", fleet.homing.admin)
    assert json.loads(last.stdout)["id"] == 3


def test_logs_follow_what_happens(own_fleet):
    fleet = own_fleet(2)
    victim = fleet.workers[0]
    command = [program(), "logs", "--follow", "--json", "--admin", fleet.homing.admin]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(3):
            following.stdout.readline()
        victim.kill()
        states = set()
        while "unreachable" not in states:
            row = json.loads(following.stdout.readline())
            if row["message"] == "replica changed" and row["fields"]["replica"] == victim.address:
                states.add(row["fields"]["to"])
    finally:
        following.kill()
        following.wait()
        following.stdout.close()
    victim.restart()
    wait_until(lambda: fleet.homing.replicas()[victim.address]["usable"], "the replica is back")


def test_top_without_a_terminal_prints_as_often_as_it_is_told(fleet):
    with fleet.client() as client:
        assert client.call(PREDICT_STREAM, prompt("where? " * 50)).ok
    done = run("top", "--admin", fleet.homing.admin, "--count", "2", "--interval-ms", "100")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    assert done.stdout.count("● ready") == 2 and done.stdout.count("IN FLIGHT THEN") == 2
    assert "PredictStream" in done.stdout and "admin port open" in done.stdout
    once = run("top", "--admin", fleet.homing.admin)
    assert once.returncode == 0 and once.stdout.count("● ready") == 1
    looks = run("top", "--json", "--count", "2", "--interval-ms", "100", "--admin", fleet.homing.admin)
    assert [json.loads(line)["ready"] for line in looks.stdout.splitlines()] == [True, True]


def on_a_terminal(
    command: list[str], until: str, interrupts: bool = True, **environment: str
) -> tuple[int, str]:
    """Runs a command on a terminal of its own until a text is seen, then interrupts it, or lets it end. Its exit code and
    output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, {**os.environ, "TERM": "xterm-256color", **environment})
    seen, asked, deadline = b"", False, time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 65_536)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
        if not asked and until.encode() in seen:
            if interrupts:
                os.kill(pid, signal.SIGINT)
            asked = True
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if asked else None
    os.close(terminal)
    assert asked, f"{until!r} was not seen in {seen.decode(errors='replace')}"
    return code, seen.decode()


def test_top_on_a_terminal_draws_in_place_and_gives_the_screen_back(fleet):
    code, seen = on_a_terminal([program(), "top", "--admin", fleet.homing.admin], "REPLICA")
    assert code == 0
    assert seen.startswith("\x1b[?1049h") and seen.endswith("\x1b[?25h\x1b[?1049l")
    assert "\x1b[32m● ready\x1b[0m" in seen


def test_no_color_is_respected_on_a_terminal(fleet):
    code, seen = on_a_terminal([program(), "top", "--admin", fleet.homing.admin], "REPLICA", NO_COLOR="1")
    assert code == 0 and "● ready" in seen
    assert not re.findall(r"\x1b\[[0-9;]*m", seen)


def test_what_takes_longer_than_two_seconds_says_so_on_a_terminal_and_nowhere_else():
    slow = ["--model", "nest", "--prefill-tokens-per-s", "3"]
    worker = Process([program(), "worker", "--listen", "127.0.0.1:0", *slow], r"^homing worker grpc=(\S+)$")
    try:
        address = worker.await_ready()[1]
        command = [program(), "predict", "--address", address, "--tokens", "2", "a prompt of some tokens"]
        code, seen = on_a_terminal(command, "waiting for the first token", interrupts=False)
        assert code == 0 and f"\rwaiting for the first token from {address}, " in seen
        # It is gone before the answer is there.
        assert seen.rindex("\r\x1b[K") < seen.rindex("first token  ")
        plain = run("predict", "--address", address, "--tokens", "2", "another prompt of tokens")
        assert plain.returncode == 0 and "waiting" not in plain.stderr and "\x1b" not in plain.stderr + plain.stdout
    finally:
        assert worker.terminate() == 0, worker.tail()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_know_the_commands(shell):
    done = run("--generate-completion-script", shell)
    assert done.returncode == 0 and all(name in done.stdout for name in ("status", "top", "logs", "check-config"))


def test_help_shows_how_to_begin():
    done = run("--help")
    assert done.returncode == 0
    for words in ("homing serve --replica", "homing status", "homing check-config", "--generate-completion-script"):
        assert words in done.stdout

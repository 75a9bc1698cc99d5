"""Where the program listens and what it connects to: IPv4, IPv6, UNIX sockets, several at once."""

import os
import socket
import stat
import subprocess

import grpc
import pytest

from client import BIDI, ECHO, HEALTH, Client, Conversation
from processes import Process, Worker, program, wait_until
from stubs import pb


def started(count: int, *arguments: str) -> list[Worker]:
    return [worker.started() for worker in [Worker(*arguments) for _ in range(count)]]


def single(listeners: list, workers: list[Worker]) -> dict:
    return {"listeners": listeners, "clusters": [{"name": "main", "replicas": [worker.address for worker in workers]}]}


def expect_everything_works(address: str):
    with Client(address) as client:
        assert client.predict("x").ok
        assert client.call(HEALTH, pb.HealthMessage()).reply.message == b"OK"
        assert client.call(ECHO, bytes(3_000_000)).reply == bytes(3_000_000)
        conversation = Conversation(client, BIDI)
        assert conversation.ping(b"x") == b"x"
        conversation.close_half()
        assert conversation.outcome().ok


# MARK: - IPv6


def test_both_legs_speak_ipv6(configured):
    workers = started(2, "--listen", "[::1]:0")
    fleet = configured(single(["[::1]:0"], workers), workers)
    assert fleet.address.startswith("[::1]:")
    expect_everything_works(fleet.address)
    assert "peer=[::1]:" in "\n".join(fleet.homing.access_lines())


def test_the_wildcard_takes_both_families(configured):
    workers = started(1)
    fleet = configured(single(["[::]:0"], workers), workers)
    port = fleet.address.rsplit(":", 1)[1]
    expect_everything_works(f"[::1]:{port}")
    expect_everything_works(f"127.0.0.1:{port}")


def test_a_name_is_resolved(configured):
    workers = started(1)
    configuration = single(["localhost:0"], workers)
    configuration["clusters"][0]["replicas"] = [workers[0].address.replace("127.0.0.1", "localhost")]
    fleet = configured(configuration, workers)
    expect_everything_works(fleet.address)


# MARK: - UNIX sockets


def test_both_legs_speak_over_unix_sockets(configured, tmp_path):
    workers = [Worker("--listen", f"unix:{tmp_path}/worker-{number}.sock").started() for number in range(2)]
    fleet = configured(single([f"unix:{tmp_path}/homing.sock"], workers), workers)
    assert fleet.address == f"unix:{tmp_path}/homing.sock"
    expect_everything_works(fleet.address)
    assert {worker.address for worker in workers} == set(fleet.homing.replicas())


def test_the_file_has_its_permissions_and_goes_with_the_program(configured, tmp_path):
    workers = started(1)
    paths = [tmp_path / name for name in ("default.sock", "private.sock")]
    listeners = [f"unix:{paths[0]}", {"address": f"unix:{paths[1]}", "unix_permissions": "0600"}]
    fleet = configured(single(listeners, workers), workers)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o660, 0o600]
    fleet.expect_quiet()
    assert fleet.homing.terminate() == 0
    assert not any(path.exists() for path in paths)


def test_the_file_of_a_program_that_was_killed_is_replaced(configured, tmp_path):
    workers = started(1)
    path = tmp_path / "homing.sock"
    first = configured(single([f"unix:{path}"], workers), workers)
    first.homing.kill()
    assert path.exists()
    second = configured(single([f"unix:{path}"], workers), workers)
    expect_everything_works(second.address)


def serve(*arguments) -> Process:
    """The program when it is meant not to come up."""
    return Process([program(), "serve", "--admin", "off", "--replica", "127.0.0.1:1", *arguments], "^homing serving")


def test_a_socket_that_another_process_uses_is_not_taken_away(configured, tmp_path):
    workers = started(1)
    path = tmp_path / "homing.sock"
    fleet = configured(single([f"unix:{path}"], workers), workers)
    second = serve("--listen", f"unix:{tmp_path}/other.sock", "--listen", f"unix:{path}")
    assert second.process.wait(20) == 69
    second.terminate()
    assert str(path) in "\n".join(second.stderr) and "another process" in "\n".join(second.stderr)
    assert not (tmp_path / "other.sock").exists(), "what was bound before the failure is cleaned up"
    expect_everything_works(fleet.address)


def test_a_file_that_is_no_socket_stays(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    homing = serve("--listen", f"unix:{path}")
    assert homing.process.wait(20) == 69
    homing.terminate()
    assert path.read_text() == "data" and "no socket" in "\n".join(homing.stderr)


def test_the_socket_of_a_successor_is_not_removed(configured, tmp_path):
    """Somebody took the name over while the program ran; it is theirs now."""
    workers = started(1)
    path = tmp_path / "homing.sock"
    fleet = configured(single([f"unix:{path}"], workers), workers)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(path))
        assert fleet.homing.terminate() == 0
        assert path.exists()


def test_a_worker_on_a_unix_socket_comes_back(configured, tmp_path):
    address = f"unix:{tmp_path}/worker.sock"
    workers = [Worker("--listen", address).started()]
    configuration = single(["127.0.0.1:0"], workers)
    configuration["clusters"][0]["probe"] = {"retry_ms": 50}
    fleet = configured(configuration, workers)
    with fleet.client() as client:
        assert client.predict("x").ok
        workers[0].kill()
        wait_until(lambda: fleet.homing.replicas()[address]["state"] == "unreachable", "it is out")
        assert client.predict("x").code is grpc.StatusCode.UNAVAILABLE
        os.unlink(tmp_path / "worker.sock") if (tmp_path / "worker.sock").exists() else None
        workers[0].launch()
        workers[0].started()
        wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "it is back")
        assert client.predict("x").ok


# MARK: - Several listeners


def test_listeners_lead_to_their_clusters(configured, tmp_path):
    workers = started(2) + [Worker("--listen", f"unix:{tmp_path}/third.sock").started()]
    clusters = [{"name": f"c{number}", "replicas": [worker.address]} for number, worker in enumerate(workers)]
    listeners = [
        {"address": "127.0.0.1:0", "cluster": "c0"},
        {"address": "[::1]:0", "cluster": "c1"},
        {"address": f"unix:{tmp_path}/homing.sock", "cluster": "c2"},
    ]
    fleet = configured({"listeners": listeners, "clusters": clusters}, workers)
    for _ in range(3):
        for address, worker in zip(fleet.homing.addresses, workers):
            with Client(address) as client:
                assert client.predict("x").worker == worker.address


def test_one_port_cannot_be_listened_on_twice(configured):
    workers = started(1)
    fleet = configured(single(["127.0.0.1:0"], workers), workers)
    second = serve("--listen", fleet.address)
    assert second.process.wait(20) == 69
    second.terminate()
    assert fleet.address in "\n".join(second.stderr)


@pytest.mark.parametrize("address", ["unix:relative", "unix:/" + "x" * 200, "[::1", "[::1]", "1.2.3.4:99999"])
def test_an_address_that_is_none_is_told(address):
    done = subprocess.run(
        [program(), "serve", "--listen", address, "--replica", "127.0.0.1:1"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 64 and "--listen" in done.stderr

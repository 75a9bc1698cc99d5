"""Replicas that come and go by DNS, a file and LocalAI's registry, with a real name server and a real PostgreSQL.

No call fails while the list changes, and none while its source is down: then the last list goes on serving, and a metric
says so.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from nameserver import DNSMASQ, NameServer
from processes import Worker, program, wait_until
from registry import BINARIES, PASSWORD, Registry
from schema import problems
from traffic import Traffic

needs_dnsmasq = pytest.mark.skipif(DNSMASQ is None, reason="no dnsmasq: scripts/setup --test installs it")
needs_postgres = pytest.mark.skipif(not BINARIES, reason="no PostgreSQL: scripts/setup --test installs it")


@pytest.fixture
def names():
    server = NameServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def database():
    registry = Registry()
    yield registry
    registry.close()


@pytest.fixture
def registry(database):
    """The shared database, up and empty."""
    database.resume()
    if database.process.poll() is not None:
        database.start()
    database.sql("DELETE FROM node_models; DELETE FROM backend_nodes; DELETE FROM model_config_states")
    return database


@pytest.fixture
def discovering(configured, monkeypatch):
    """A fleet whose one cluster has these sources."""
    monkeypatch.setenv("HOMING_TEST_DATABASE_PASSWORD", PASSWORD)

    def start(workers: list[Worker], *sources: dict, replicas=(), awaits_probes=True, **cluster):
        cluster = {
            "name": "c", "discovery": list(sources), "replicas": list(replicas), "probe": {"retry_ms": 50},
            "routing": {"policy": "round_robin"}, **cluster,
        }  # fmt: skip
        return configured({"listeners": ["127.0.0.1:0"], "clusters": [cluster]}, workers, awaits_probes)

    return start


def some_workers(count: int) -> list[Worker]:
    """Workers that start side by side."""
    return [worker.started() for worker in [Worker() for _ in range(count)]]


def workers_on_one_port(count: int) -> list[Worker]:
    """Workers on 127.0.0.2 and so on that share the port, as the pods of a headless service do."""
    while True:
        first = Worker("--listen", "127.0.0.2:0").started()
        port = first.address.rsplit(":", 1)[1]
        others = [Worker("--listen", f"127.0.0.{number + 3}:{port}") for number in range(count - 1)]
        try:
            return [first, *(other.started() for other in others)]
        except AssertionError:  # The port is somebody's there.
            for worker in [first, *others]:
                worker.kill()


def hosts(*workers: Worker) -> list[str]:
    return [worker.address.rsplit(":", 1)[0] for worker in workers]


def usable(fleet) -> set[str]:
    return {address for address, row in fleet.homing.replicas().items() if row["usable"]}


def await_usable(fleet, *workers: Worker):
    """Returns when exactly these are there, and streams may be sent to all of them."""
    wanted = {worker.address for worker in workers}
    wait_until(
        lambda: usable(fleet) == wanted == fleet.homing.replicas().keys(), f"the replicas are {wanted}: {usable(fleet)}"
    )


def sources(fleet) -> dict[str, dict]:
    status, body = fleet.homing.get("/api/discovery")
    assert status == 200, body
    answer = json.loads(body)
    schema = json.loads(fleet.homing.get("/api/schema")[1])
    assert problems(answer, schema["$defs"]["discovery"], schema) == []
    return {row["source"]: row for row in answer["sources"]}


def await_problem(fleet, source: str, what: str) -> dict:
    def found():
        row = sources(fleet)[source]
        return row if what in (row["problem"] or "") else None

    return wait_until(found, f"the source says {what!r}: {sources(fleet)[source]}")


def await_healthy(fleet, source: str):
    wait_until(lambda: sources(fleet)[source]["problem"] is None, f"the source works: {sources(fleet)[source]}")


def events(fleet, message: str) -> list[dict]:
    rows = json.loads(fleet.homing.get("/api/events?limit=512")[1])["events"]
    return [row for row in rows if row["message"] == message]


def go_on(traffic: Traffic, calls: int = 40):
    """Lets so many more calls end."""
    end = traffic.count + calls
    wait_until(lambda: traffic.count >= end or traffic.failed, f"{calls} more calls")


def expect_changes(fleet, change, calls=20):
    """Traffic goes on while `change(*workers)` makes the list one worker, all, other ones, and all again."""
    first, *rest = fleet.workers
    with Traffic(fleet.address) as traffic:
        await_usable(fleet, *fleet.workers)
        go_on(traffic, calls)
        for some in ([first], rest, fleet.workers):
            change(*some)
            await_usable(fleet, *some)
            before = {worker.address: traffic.served_by(worker.address) for worker in some}
            wait_until(
                lambda: traffic.failed or all(traffic.served_by(a) > count for a, count in before.items()),
                "each of the list is given calls",
            )
    assert traffic.failed == []


# MARK: - DNS


def dns(fleet_port: str, names: NameServer, **keys) -> dict:
    return {
        "type": "dns", "address": f"workers.test:{fleet_port}", "nameservers": [names.address],
        "min_interval_ms": 50, "max_interval_ms": 60_000, "timeout_ms": 1_000, **keys,
    }  # fmt: skip


@needs_dnsmasq
def test_addresses_of_a_name_come_and_go_without_a_failed_call(discovering, names):
    workers = workers_on_one_port(3)
    names.set_addresses("workers.test", *hosts(*workers))
    names.start()
    port = workers[0].address.rsplit(":", 1)[1]
    # The answer's own time (1 s) counts, which is within these bounds.
    fleet = discovering(workers, dns(port, names))
    expect_changes(fleet, lambda *some: names.set_addresses("workers.test", *hosts(*some)))
    row = sources(fleet)["dns"]
    assert row["type"] == "dns" and row["subject"] == f"dns workers.test:{port}" and row["problem"] is None
    assert [replica["address"] for replica in row["replicas"]] == sorted(worker.address for worker in workers)


@needs_dnsmasq
def test_a_name_server_that_dies_or_forgets_the_name_leaves_the_last_list(discovering, names):
    workers = workers_on_one_port(2)
    names.set_addresses("workers.test", *hosts(*workers))
    names.start()
    fleet = discovering(
        workers, dns(workers[0].address.rsplit(":", 1)[1], names, max_interval_ms=100, timeout_ms=300)
    )
    with Traffic(fleet.address) as traffic:
        await_usable(fleet, *workers)
        before = fleet.homing.metrics()
        names.stop()
        await_problem(fleet, "dns", "workers.test")
        labels = {"cluster": "c", "source": "dns"}
        during = fleet.homing.metrics()
        assert during.sum("homing_discovery_failing", **labels) == 1
        assert during.sum("homing_discovery_replicas", **labels) == 2
        assert during.sum("homing_discovery_refreshes_total", **labels, result="failed") >= 1
        assert before.sum("homing_discovery_refreshes_total", **labels, result="ok") >= 1
        success = "homing_discovery_last_success_timestamp_seconds"
        assert abs(during.sum(success, **labels) - time.time()) < 60
        said = subprocess.run([program(), "status", "--admin", fleet.homing.admin], capture_output=True, text=True)
        assert "dns: dns workers.test" in said.stdout and "2 found, ✕ workers.test" in said.stdout, said.stdout
        go_on(traffic)
        await_usable(fleet, *workers)

        names.set_addresses("workers.test")
        names.start()
        await_problem(fleet, "dns", "NXDOMAIN")
        go_on(traffic)
        await_usable(fleet, *workers)

        names.set_addresses("workers.test", *hosts(workers[0]))
        await_usable(fleet, workers[0])
        await_healthy(fleet, "dns")
        names.set_addresses("workers.test", *hosts(*workers))
        await_usable(fleet, *workers)
    assert traffic.failed == []
    told = [event["fields"]["problem"] for event in events(fleet, "discovery failed, the last replicas stay")]
    assert len(told) >= 2 and any("NXDOMAIN" in text for text in told), told
    assert len(told) == len(set(told)) or len(told) < 5, "each problem is told once, not at each look"


@needs_dnsmasq
@pytest.mark.parametrize("empty_after", [0, 2])
def test_a_name_without_addresses_empties_the_list_after_so_many_answers(discovering, names, empty_after):
    (worker,) = workers_on_one_port(1)
    names.set_addresses("workers.test", *hosts(worker))
    names.start("--txt-record=workers.test,is there")
    fleet = discovering(
        [worker], dns(worker.address.rsplit(":", 1)[1], names, max_interval_ms=50, empty_after=empty_after)
    )
    await_usable(fleet, worker)
    names.set_addresses("workers.test")  # The text stays, so that there is the name, and no address (NODATA).
    wait_until(lambda: sources(fleet)["dns"]["empty_in_row"] >= 4, "four empty answers")
    if empty_after == 0:
        await_usable(fleet, worker)
    else:
        wait_until(lambda: not fleet.homing.replicas(), "the list is empty")
        assert fleet.homing.metrics().sum("homing_discovery_refreshes_total", result="empty") >= 4
        assert sources(fleet)["dns"]["problem"] is None
    names.set_addresses("workers.test", *hosts(worker))
    await_usable(fleet, worker)
    with fleet.client() as client:
        assert client.predict("again").ok


@needs_dnsmasq
def test_an_answer_that_does_not_fit_a_datagram_is_whole(discovering, names):
    """200 addresses are more than 1,232 bytes: the name server says so, and is asked again over TCP."""
    (worker,) = workers_on_one_port(1)
    many = [f"127.0.7.{number}" for number in range(1, 200)]
    names.set_addresses("workers.test", *hosts(worker), *many)
    names.start()
    fleet = discovering([worker], dns(worker.address.rsplit(":", 1)[1], names), awaits_probes=False)
    wait_until(lambda: len(sources(fleet)["dns"]["replicas"]) == 200, "200 replicas are found")
    names.set_addresses("workers.test", *hosts(worker))
    await_usable(fleet, worker)


def record(worker: Worker, number: int, priority: int = 0, weight: int = 1) -> list[str]:
    """A service's record, and the name that it leads to."""
    host, port = worker.address.rsplit(":", 1)
    return [
        f"--srv-host=_grpc._tcp.workers.test,w{number}.test,{port},{priority},{weight}",
        f"--host-record=w{number}.test,{host}",
    ]


def srv(names: NameServer, **keys) -> dict:
    return {
        "type": "srv", "service": "_grpc._tcp.workers.test", "nameservers": [names.address], "family": "ipv4",
        "min_interval_ms": 50, "max_interval_ms": 200, "timeout_ms": 500, **keys,
    }  # fmt: skip


@needs_dnsmasq
def test_targets_of_a_service_come_and_go_without_a_failed_call(discovering, names):
    workers = some_workers(3)

    def change(*some: Worker):
        names.restart(*(line for worker in some for line in record(worker, workers.index(worker))))

    change(*workers)
    fleet = discovering(workers, srv(names))
    expect_changes(fleet, change)


@needs_dnsmasq
def test_weights_and_priorities_of_a_service_are_heeded(discovering, names):
    first, reserve = workers = some_workers(2)
    names.start(*record(first, 0, priority=10, weight=7), *record(reserve, 1, priority=20, weight=3))
    fleet = discovering(workers, srv(names))
    await_usable(fleet, first)
    assert fleet.homing.replicas()[first.address]["weight"] == 7
    # The reserve is there while the first is not, and goes when it is back.
    first.kill()
    wait_until(lambda: usable(fleet) == {reserve.address}, "the reserve has taken over")
    with fleet.client() as client:
        assert client.predict("to the reserve").worker == reserve.address
    first.restart()
    await_usable(fleet, first)
    names.restart(*record(first, 0), *record(reserve, 1))
    await_usable(fleet, *workers)


# MARK: - A file


def write(path: pathlib.Path, text: str):
    """As it should be done: beside the file, and then in its place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def watched(path: pathlib.Path, **keys) -> dict:
    return {"type": "file", "path": str(path), "look_interval_ms": 20, **keys}


def as_json(*workers: Worker) -> str:
    return json.dumps([{"address": worker.address, "weight": 2} for worker in workers])


def as_yaml(*workers: Worker) -> str:
    return "# replicas\n" + "".join(f"- {worker.address}\n" for worker in workers)


@pytest.mark.parametrize("form", [as_json, as_yaml])
def test_a_file_changes_the_replicas_without_a_failed_call(discovering, tmp_path, form):
    workers = some_workers(3)
    path = tmp_path / "replicas"
    write(path, form(*workers))
    fleet = discovering(workers, watched(path))
    expect_changes(fleet, lambda *some: write(path, form(*some)))
    weights = {row["weight"] for row in fleet.homing.replicas().values()}
    assert weights == ({2} if form is as_json else {1})


def test_a_broken_file_leaves_the_last_list_and_says_where_it_is_wrong(discovering, tmp_path):
    workers = some_workers(2)
    path = tmp_path / "replicas.yaml"
    write(path, as_yaml(*workers))
    fleet = discovering(workers, watched(path))
    with Traffic(fleet.address) as traffic:
        await_usable(fleet, *workers)
        for text, problem in [
            ("- 127.0.0.1:50051\n- nowhere\n", f"{path}:2: replicas[1].address: the port is missing"),
            ("- address: 127.0.0.1:1\n  wieght: 3\n", 'did you mean "weight"?'),
            ("- 127.0.0.1:1\n-127.0.0.1:2\n", f"{path}:3: is not valid YAML"),
            ("- 127.0.0.1:0\n", "a replica needs its port"),
            ("", "lists nothing"),
            ("[127.0.0.1:1", f"{path}:2: is not valid YAML"),
        ]:
            write(path, text)
            await_problem(fleet, "file", problem)
            assert fleet.homing.metrics().sum("homing_discovery_failing", source="file") == 1
            go_on(traffic, 10)
        path.unlink()
        await_problem(fleet, "file", "does not exist")
        await_usable(fleet, *workers)
        write(path, as_yaml(workers[1]))
        await_healthy(fleet, "file")
        await_usable(fleet, workers[1])
        write(path, as_yaml(*workers))
        await_usable(fleet, *workers)
    assert traffic.failed == []


def test_a_file_may_be_for_several_clusters_and_may_be_empty(configured, tmp_path):
    workers = some_workers(3)
    path = tmp_path / "replicas.yaml"
    common, ours, theirs = (worker.address for worker in workers)
    write(path, f"replicas:\n- {common}\n- {{address: '{ours}', cluster: ours}}\n- {{address: '{theirs}', cluster: theirs}}\n")
    clusters = [
        {"name": name, "models": [name], "discovery": [watched(path)], "replicas": []} for name in ("ours", "theirs")
    ]
    fleet = configured({"listeners": ["127.0.0.1:0"], "clusters": clusters}, workers, awaits_probes=False)

    def found() -> dict[str, set]:
        rows = json.loads(fleet.homing.get("/api/replicas")[1])["replicas"]
        return {name: {row["address"] for row in rows if row["cluster"] == name} for name in ("ours", "theirs")}

    wait_until(lambda: found() == {"ours": {common, ours}, "theirs": {common, theirs}}, "each cluster has its own")
    write(path, "[]\n")
    wait_until(lambda: found() == {"ours": set(), "theirs": set()}, "no cluster has any")
    assert fleet.homing.get("/ready")[0] == 503
    write(path, f"[{{address: '{ours}', cluster: ours}}, '{theirs}', {{address: '{common}', cluster: theirs}}]")
    wait_until(lambda: found() == {"ours": {ours, theirs}, "theirs": {theirs, common}}, "they have others")
    # Three workers, four replicas: what is held is counted once for each worker.
    write(path, f"['{ours}', {{address: '{common}', cluster: ours}}, {{address: '{theirs}', cluster: ours}}]")
    write(path, f"[{{address: '{ours}', cluster: ours}}, {{address: '{common}', cluster: ours}}, {{address: '{theirs}', cluster: ours}}]")
    wait_until(lambda: found() == {"ours": {ours, common, theirs}, "theirs": set()}, "one cluster has all")


def test_a_static_replica_stays_whatever_the_sources_say(discovering, tmp_path):
    fixed, found = workers = some_workers(2)
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    write(first, as_yaml(*workers))
    write(second, as_yaml(found))
    fleet = discovering(
        workers, watched(first, name="a"), watched(second, name="b"), replicas=[fixed.address]
    )
    await_usable(fleet, *workers)
    write(first, "[]")
    wait_until(lambda: sources(fleet)["a"]["replicas"] == [], "a has none")
    await_usable(fleet, *workers)
    write(second, "[]")
    await_usable(fleet, fixed)
    write(second, as_yaml(found))
    await_usable(fleet, *workers)


def test_a_reload_adds_changes_and_removes_sources_without_a_failed_call(discovering, tmp_path):
    fixed, one, other = workers = some_workers(3)
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    write(first, as_yaml(one))
    write(second, as_yaml(other))
    fleet = discovering(workers, replicas=[fixed.address])
    path = tmp_path / "homing.yaml"

    def reload(*wanted: dict):
        configuration = json.loads(path.read_text())
        configuration["clusters"][0]["discovery"] = list(wanted)
        write(path, json.dumps(configuration))
        fleet.homing.process.send_signal(signal.SIGHUP)

    with Traffic(fleet.address) as traffic:
        await_usable(fleet, fixed)
        for wanted, there in [
            ([watched(first)], [fixed, one]),
            ([watched(second)], [fixed, other]),
            ([watched(first), watched(second, name="b")], workers),
            ([watched(second, name="b")], [fixed, other]),
            ([], [fixed]),
            ([watched(first), watched(second, name="b")], workers),
        ]:
            reload(*wanted)
            await_usable(fleet, *there)
            assert sources(fleet).keys() == {source.get("name", "file") for source in wanted}
            go_on(traffic, 10)
    assert traffic.failed == []


# MARK: - LocalAI's registry


def localai(url: str, **keys) -> dict:
    return {
        "type": "localai", "database": url, "password_env": "HOMING_TEST_DATABASE_PASSWORD", "models": ["qwen3"],
        "query_interval_ms": 100, "connect_timeout_ms": 500, "query_timeout_ms": 500, **keys,
    }  # fmt: skip


@needs_postgres
def test_the_registry_changes_the_replicas_without_a_failed_call(discovering, registry):
    workers = some_workers(3)
    registry.set_replicas("qwen3", *(worker.address for worker in workers))
    fleet = discovering(workers, localai(registry.url))
    expect_changes(
        fleet, lambda *some: registry.set_replicas("qwen3", *(worker.address for worker in some))
    )
    assert sources(fleet)["localai"]["subject"] == "localai qwen3"
    settings = fleet.homing.get("/api/config")[1]
    assert PASSWORD not in settings and PASSWORD not in fleet.homing.tail(10_000)


@needs_postgres
def test_a_database_that_dies_or_hangs_leaves_the_last_list(discovering, registry):
    workers = some_workers(2)
    registry.set_replicas("qwen3", *(worker.address for worker in workers))
    fleet = discovering(workers, localai(registry.socket_url))
    labels = {"cluster": "c", "source": "localai"}
    with Traffic(fleet.address) as traffic:
        await_usable(fleet, *workers)
        registry.kill()
        await_problem(fleet, "localai", "failed")
        metrics = fleet.homing.metrics()
        assert metrics.sum("homing_discovery_failing", **labels) == 1
        assert metrics.sum("homing_discovery_replicas", **labels) == 2
        assert metrics.sum("homing_discovery_refreshes_total", **labels, result="failed") >= 1
        go_on(traffic)
        await_usable(fleet, *workers)
        registry.start()
        await_healthy(fleet, "localai")
        assert events(fleet, "discovery works again")

        registry.suspend()
        await_problem(fleet, "localai", "took longer than 500 ms")
        go_on(traffic)
        registry.resume()
        await_healthy(fleet, "localai")

        registry.sql("BEGIN; LOCK TABLE node_models IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT")
        assert any("statement timeout" in event["fields"]["problem"] for event in events(
            fleet, "discovery failed, the last replicas stay")), "the database itself ends a query that takes too long"
        await_healthy(fleet, "localai")
        registry.set_replicas("qwen3", workers[0].address)
        await_usable(fleet, workers[0])
        registry.set_replicas("qwen3", *(worker.address for worker in workers))
        await_usable(fleet, *workers)
    assert traffic.failed == []


@needs_postgres
def test_a_host_that_is_silent_does_not_stand_before_the_next_one(discovering, registry):
    """As a primary that lost its power: who connects waits for ever."""
    (worker,) = workers = some_workers(1)
    registry.set_replicas("qwen3", worker.address)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = registry.url.replace("127.0.0.1:", f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:")
        fleet = discovering(workers, localai(url, connect_timeout_ms=300))
        await_usable(fleet, worker)
        assert sources(fleet)["localai"]["refreshes"]["failed"] == 0


@needs_postgres
def test_a_look_that_hangs_does_not_hold_up_the_end(discovering, registry, tmp_path):
    (worker,) = workers = some_workers(1)
    path = tmp_path / "replicas.yaml"
    write(path, as_yaml(worker))
    registry.suspend()
    fleet = discovering(workers, watched(path), localai(registry.url, connect_timeout_ms=3_600_000))
    await_usable(fleet, worker)
    assert sources(fleet)["localai"]["last_success_unix_ms"] is None
    assert fleet.homing.terminate(limit=5) == 0


@needs_postgres
def test_only_loaded_replicas_of_healthy_nodes_with_the_current_revision_count(discovering, registry):
    """The worker that is right, and seven reasons why others are not."""
    (worker,) = workers = some_workers(1)
    registry.set_replicas("qwen3", worker.address, *(f"127.0.0.1:{port}" for port in range(1, 6)))
    registry.set_replicas("other", "127.0.0.1:6")
    registry.sql(
        """
        UPDATE node_models SET state = 'loading' WHERE id = 'qwen3-1';
        UPDATE node_models SET state = 'unloading' WHERE id = 'qwen3-2';
        UPDATE backend_nodes SET status = 'unhealthy' WHERE address = '127.0.0.1:3';
        UPDATE backend_nodes SET status = 'draining' WHERE address = '127.0.0.1:4';
        UPDATE node_models SET config_revision = 'r0' WHERE id = 'qwen3-5';
        INSERT INTO model_config_states VALUES ('qwen3', 'r1');
        INSERT INTO node_models (id, node_id, model_name, replica_index, address, state, config_revision)
            VALUES ('lost', 'nobody', 'qwen3', 0, '127.0.0.1:7', 'loaded', 'r1');
        UPDATE node_models SET address = '' WHERE id = 'qwen3-0';
        INSERT INTO node_models SELECT 'twice', node_id, model_name, replica_index, address, state, in_flight, last_used,
            config_revision FROM node_models WHERE id = 'qwen3-0'
        """
    )
    fleet = discovering(workers, localai(registry.url, models=[]), models=["qwen3"])
    await_usable(fleet, worker)
    registry.sql("UPDATE model_config_states SET config_revision = 'r0'")
    fresh = {"127.0.0.1:5"}
    wait_until(lambda: fleet.homing.replicas().keys() == fresh, "the other revision counts")
    registry.sql("DELETE FROM model_config_states")
    wait_until(lambda: fleet.homing.replicas().keys() == fresh | {worker.address}, "every revision counts")
    registry.sql("INSERT INTO model_config_states VALUES ('qwen3', 'r1')")
    await_usable(fleet, worker)


@needs_postgres
def test_a_registry_without_revisions_is_understood_and_nothing_is_written(discovering, registry):
    (worker,) = workers = some_workers(1)
    registry.set_replicas("qwen3", worker.address)
    registry.sql("ALTER TABLE model_config_states RENAME TO later; ALTER TABLE node_models RENAME config_revision TO x")
    try:
        fleet = discovering(workers, localai(registry.url))
        await_usable(fleet, worker)
        assert sources(fleet)["localai"]["problem"] is None
        # As the owner it could write, and in a transaction that only reads it cannot.
        written = registry.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
        before = sources(fleet)["localai"]["refreshes"]["ok"]
        wait_until(lambda: sources(fleet)["localai"]["refreshes"]["ok"] > before + 2, "three more looks")
        assert registry.sql("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables") == written
    finally:
        registry.sql("ALTER TABLE later RENAME TO model_config_states; ALTER TABLE node_models RENAME x TO config_revision")


@needs_postgres
def test_a_password_is_read_again_and_never_shown(discovering, registry, tmp_path):
    (worker,) = workers = some_workers(1)
    registry.set_replicas("qwen3", worker.address)
    secret = tmp_path / "password"
    secret.write_text("wrong one\n")
    source = localai(registry.url, password_file=str(secret))
    del source["password_env"]
    fleet = discovering(workers, source, awaits_probes=False)
    row = await_problem(fleet, "localai", "authentication failed")
    assert "wrong one" not in json.dumps(row) and row["last_success_unix_ms"] is None
    assert fleet.homing.get("/ready")[0] == 503 and not fleet.homing.replicas()
    secret.write_text(PASSWORD + "\n")
    await_usable(fleet, worker)
    assert PASSWORD not in fleet.homing.tail(10_000)

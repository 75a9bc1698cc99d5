"""New settings while callers call: by SIGHUP, by a changed file, by POST /api/reload and by `homing reload`."""

import json
import signal
import subprocess

import grpc
import pytest

from client import PREDICT_STREAM, Client, prompt, script
from operating import Operator, ask
from processes import Worker, program, wait_until
from schema import problems
from test_replicas import Traffic


@pytest.fixture
def reloadable(configured, tmp_path):
    """A fleet of three workers, the first two of which are configured, and what changes its configuration."""

    class Reloadable(Operator):
        def __init__(self, change=lambda configuration: None, interval_ms=0):
            self.workers = [Worker().started() for _ in range(3)]
            token = tmp_path / "token"
            token.write_text("right\n")
            (tmp_path / "caller").write_text("first\n")
            self.tokens = tmp_path
            self.configuration = {
                "listeners": [{"address": "127.0.0.1:0"}],
                "reload_interval_ms": interval_ms,
                "admin": {"auth": {"tokens": [{"token_file": str(token)}]}},
                "clusters": [{"name": "chat", "replicas": [worker.address for worker in self.workers[:2]]}],
            }
            change(self.configuration)
            super().__init__(configured(self.configuration, self.workers, awaits_probes=False), str(token))
            self.path = tmp_path / "homing.yaml"
            self.await_available(*self.workers[:2])

        @property
        def cluster(self) -> dict:
            return self.configuration["clusters"][0]

        def write(self, text: str | None = None):
            self.path.write_text(text if text is not None else json.dumps(self.configuration))

        def reload(self) -> dict:
            self.write()
            return self.ask("POST", "/api/reload")[1]

        def reloads(self, result: str) -> float:
            return self.fleet.homing.metrics().sum("homing_config_reloads_total", result=result)

        def config(self) -> dict:
            return self.ask("GET", "/api/config")[1]

        def restore(self):
            """All workers in, as what is looked at after every test expects."""
            self.cluster["replicas"] = [worker.address for worker in self.workers]
            self.write()
            assert self.ask("POST", "/api/reload")[0] == 200
            self.await_available(*self.workers)

    return Reloadable


def test_replicas_weights_and_policies_change_under_traffic_without_a_failed_call(reloadable):
    house = reloadable()
    names = [worker.address for worker in house.workers]
    rounds = [
        ([names[0], names[1], names[2]], "prefix_cache"),
        ([names[1], {"address": names[2], "weight": 3}], "expected_ttft"),
        ([names[0]], "round_robin"),
        ([names[0], names[1], names[2]], "consistent_hash"),
        ([names[2], names[1]], "expected_ttft"),
        ([names[0], names[1], names[2]], "prefix_cache"),
    ]
    with Traffic(house, 6) as traffic:
        for generation, (replicas, policy) in enumerate(rounds, start=2):
            house.cluster["replicas"] = replicas
            house.cluster["routing"] = {"policy": policy, "chain": "compatible" if generation % 2 else "own"}
            report = house.reload()
            assert (report["result"], report["generation"]) == ("success", generation), report
            assert "clusters[0].replicas" in report["changed"] and "clusters[0].routing.policy" in report["changed"]
            wanted = {entry if isinstance(entry, str) else entry["address"] for entry in replicas}
            wait_until(lambda: house.replicas().keys() == wanted, "the others are gone")
            before = traffic.calls
            wait_until(lambda: traffic.calls > before + 30, "calls go on")
        house.await_available(*house.workers)
    assert traffic.failures == [] and traffic.calls > 180
    assert house.fleet.homing.metrics().sum("homing_in_flight_drift_total") == 0
    assert ask(house.admin, "/api/clusters")[1]["clusters"][0]["policy"] == "prefix_cache"


def test_a_stream_lives_through_reloads_of_everything(reloadable):
    house = reloadable()
    with Client(house.fleet.address) as client:
        call = client.start(PREDICT_STREAM, prompt("x"), script(messages=150, interval_s=0.02))
        home = call.headers()["x-worker"]
        house.cluster.update({
            "replicas": [worker.address for worker in house.workers if worker.address != home],
            "routing": {"policy": "round_robin"},
            "admission": {"max_in_flight": 5},
            "outlier": {"consecutive_failures": 3},
            "probe": {"interval_ms": 500},
            "connections": {"per_loop": 2, "max_retries": 1},
            "stall": {"stall_after_ms": 9_000},
            "replica_drain_timeout_ms": 20_000,
        })
        house.configuration |= {
            "proxy": {"max_concurrent_streams": 7, "explain": "always"},
            "log_level": "debug",
            "access_log": {"format": "json", "sample_share": 0.9999},
        }
        report = house.reload()
        assert report["result"] == "success" and report["restart_required"] == []
        changed = set(report["changed"])
        assert {
            "clusters[0].replicas", "clusters[0].routing.policy", "clusters[0].admission.max_in_flight",
            "clusters[0].outlier.consecutive_failures", "clusters[0].probe.interval_ms",
            "clusters[0].connections.per_loop", "clusters[0].stall.stall_after_ms", "proxy.max_concurrent_streams",
            "proxy.explain", "log_level", "access_log.format", "access_log.sample_share",
            "clusters[0].replica_drain_timeout_ms",
        } <= changed
        assert report["replicas"][0]["removed"] == [home]
        explained = client.predict("y")
        assert explained.ok and explained.header("x-homing-replica") != home, "the new proxy settings count"
        outcome = call.outcome()
        assert outcome.ok and outcome.worker == home and len(outcome.replies) >= 150
    wait_until(lambda: any(line.startswith("{") for line in house.fleet.homing.access_lines()), "the access log is JSON")
    settings = house.config()
    assert settings["generation"] == 2 and settings["settings"]["proxy"]["max_concurrent_streams"] == 7
    assert settings["settings"]["log_level"] == "debug" == ask(house.admin, "/api/log-level")[1]["log_level"]
    limits = {row["max_in_flight"] for row in house.replicas().values()}
    assert limits == {5}
    house.restore()


def test_a_reload_with_problems_changes_nothing_and_tells_all_of_them(reloadable):
    house = reloadable()
    before = house.config()
    house.configuration["log_level"] = "debug"
    house.cluster["routing"] = {"policy": "wrong"}
    house.cluster["replicas"] = [house.workers[2].address, "nowhere"]
    house.configuration["proxy"] = {"no_such_key": 1}
    house.write()
    status, report = house.ask("POST", "/api/reload")
    assert status == 422 and report["result"] == "failure" and report["error"] == "settings_have_problems"
    assert {problem["path"] for problem in report["problems"]} >= {
        "clusters[0].routing.policy", "clusters[0].replicas[1].address", "proxy.no_such_key",
    }
    assert all(problem["line"] == 1 for problem in report["problems"])
    assert house.config() == before and house.replicas().keys() == {w.address for w in house.workers[:2]}
    metrics = house.fleet.homing.metrics()
    assert (house.reloads("failure"), house.reloads("success")) == (1, 0)
    assert metrics.sum("homing_config_generation") == 1
    messages = [event["message"] for event in ask(house.admin, "/api/events")[1]["events"]]
    assert "reload refused, everything stays as it was" in messages
    done = house.run("reload")
    assert done.returncode == 65 and "not reloaded" in done.stdout
    assert "clusters[0].routing.policy" in done.stderr and "proxy.no_such_key" in done.stderr
    house.write("{")
    assert house.ask("POST", "/api/reload")[0] == 422
    house.path.unlink()
    status, report = house.ask("POST", "/api/reload")
    assert status == 422 and "cannot read" in report["problems"][0]["text"]
    del house.configuration["log_level"], house.cluster["routing"], house.configuration["proxy"]
    house.restore()


def test_nothing_new_is_no_new_generation(reloadable):
    house = reloadable()
    status, report = house.ask("POST", "/api/reload")
    assert (status, report["result"], report["generation"], report["changed"]) == (200, "unchanged", 1, [])
    done = house.run("reload")
    assert done.returncode == 0 and done.stdout == "nothing new: generation 1\n"
    assert house.reloads("unchanged") == 2
    stamp = house.fleet.homing.metrics().sum("homing_config_last_reload_success_timestamp_seconds")
    assert stamp > 1_600_000_000
    house.restore()


def test_what_needs_a_restart_is_named_and_the_rest_applies(reloadable):
    house = reloadable()
    house.configuration |= {"threads": 3, "log_level": "warning"}
    house.configuration["listeners"] = ["127.0.0.1:2", "127.0.0.1:3"]
    house.cluster["model"] = {"state_file": str(house.tokens / "state"), "load_timeout_ms": 7}
    house.configuration["clusters"].append({"name": "other", "models": ["m"], "replicas": ["127.0.0.1:9"]})
    report = house.reload()
    assert report["result"] == "success"
    assert set(report["restart_required"]) == {"threads", "listeners", "clusters"}
    assert set(report["changed"]) == {"log_level", "clusters[0].model.load_timeout_ms"}
    settings = house.config()["settings"]
    assert settings["log_level"] == "warning" and settings["threads"] == 0 and len(settings["clusters"]) == 1
    with house.fleet.client() as client:
        assert client.predict("x").ok
    again = house.ask("POST", "/api/reload")[1]
    assert again["result"] == "unchanged" and set(again["restart_required"]) == set(report["restart_required"])
    done = house.run("reload")
    assert done.returncode == 0 and "needs a restart: threads" in done.stdout
    assert json.loads(house.run("reload", "--json").stdout)["restart_required"] == again["restart_required"]
    del house.configuration["clusters"][1]
    house.restore()


def test_a_changed_file_is_taken_up_by_itself(reloadable):
    house = reloadable(interval_ms=50)
    house.cluster["replicas"] = [worker.address for worker in house.workers]
    house.write()
    wait_until(lambda: house.reloads("success") == 1, "it was read again")
    house.await_available(*house.workers)
    # As a container's mounted file is swapped.
    house.configuration["log_level"] = "warning"
    other = house.path.with_suffix(".new")
    other.write_text(json.dumps(house.configuration))
    other.replace(house.path)
    wait_until(lambda: house.config()["generation"] == 3, "the new file is in use")
    # A broken one is told once, and not again until it has changed.
    house.write("clusters: [")
    wait_until(lambda: house.reloads("failure") == 1, "it is refused")
    house.configuration["log_level"] = "info"
    house.write()
    wait_until(lambda: house.config()["generation"] == 4, "a good one is taken up again")
    assert house.reloads("failure") == 1
    house.configuration["reload_interval_ms"] = 0
    house.write()
    wait_until(lambda: house.config()["generation"] == 5, "the last one that is seen by itself")


def test_tokens_of_callers_admins_and_workers_change_with_the_file(reloadable):
    house = reloadable()
    caller = house.tokens / "caller"
    house.configuration["listeners"][0]["auth"] = {"tokens": [{"token_file": str(caller)}]}
    bearer = lambda token: [("authorization", f"Bearer {token}")]
    with Client(house.fleet.address) as client:
        assert client.predict("x").ok
        report = house.reload()
        assert report["result"] == "success" and "listeners[0].auth.tokens" in report["changed"]
        assert client.predict("x").code is grpc.StatusCode.UNAUTHENTICATED, "a listener that took everybody"
        assert client.predict("x", bearer("first")).ok
        caller.write_text("second\n")
        report = house.ask("POST", "/api/reload")[1]
        assert report["changed"] == ["listeners[0].auth.tokens"] and "second" not in json.dumps(report)
        assert client.predict("x", bearer("first")).code is grpc.StatusCode.UNAUTHENTICATED
        assert client.predict("x", bearer("second")).ok
        del house.configuration["listeners"][0]["auth"]
        assert house.reload()["result"] == "success"
        assert client.predict("x").ok
    house.restore()


def test_the_flags_still_win_and_sighup_does_the_same(own_fleet, tmp_path):
    fleet = own_fleet(2)
    workers = [worker.address for worker in fleet.workers]
    path = tmp_path / "flags.yaml"
    path.write_text(json.dumps({"reload_interval_ms": 0, "clusters": [{"name": "chat", "replicas": ["127.0.0.1:1"]}]}))
    from fleet import Homing

    homing = Homing(workers, "--policy", "round_robin", "--listen", "127.0.0.1:0", "-c", str(path)).started()
    try:
        homing.await_probed()
        path.write_text(
            json.dumps(
                {
                    "clusters": [{"name": "chat", "routing": {"policy": "prefix_cache"}, "replicas": ["127.0.0.1:2"]}],
                    "proxy": {"explain": "never"},
                }
            )
        )
        homing.process.send_signal(signal.SIGHUP)
        wait_until(lambda: homing.metrics().sum("homing_config_generation") == 2, "it was read again")
        settings = json.loads(homing.get("/api/config")[1])["settings"]
        assert settings["proxy"]["explain"] == "never"
        assert settings["clusters"][0]["routing"]["policy"] == "round_robin"
        assert homing.replicas().keys() == set(workers)
    finally:
        assert homing.terminate() == 0, homing.tail()


def test_a_reload_leaves_alone_what_the_admin_port_added(reloadable):
    house = reloadable()
    third = house.workers[2]
    house.add(third)
    house.await_available(third)
    house.cluster["replicas"] = [house.workers[0].address]
    report = house.reload()
    assert report["replicas"] == [
        {
            "cluster": "chat", "added": [], "removed": [house.workers[1].address], "reweighted": [], "kept": [],
            "dismissed": [],
        }
    ]
    wait_until(lambda: house.replicas().keys() == {house.workers[0].address, third.address}, "the second is gone")
    house.remove(house.workers[0])
    house.await_gone(house.workers[0])
    house.cluster["replicas"] = [house.workers[0].address, house.workers[1].address]
    report = house.reload()
    assert report["replicas"][0]["dismissed"] == [house.workers[0].address]
    house.add(house.workers[0])
    house.remove(third)
    house.await_gone(third)
    house.restore()


def test_the_answer_matches_the_schema(reloadable):
    house = reloadable()
    schema = json.loads(ask(house.admin, "/api/schema")[1])
    house.cluster["replicas"] = [house.workers[2].address]
    house.configuration["threads"] = 2
    for answer in (house.reload(), house.reload()):
        assert problems(answer, schema["$defs"]["reload"], schema) == []
    house.write("nonsense: 1")
    assert problems(house.ask("POST", "/api/reload")[1], schema["$defs"]["reload"], schema) == []
    del house.configuration["threads"]
    house.restore()


def test_a_certificate_of_another_file_is_taken_up_or_nothing_is(configured, tmp_path):
    # The system's authorities will do: what is not read is not taken up.
    worker = Worker().started()
    ca = "/etc/ssl/certs/ca-certificates.crt"
    configuration = {
        "listeners": ["127.0.0.1:0"],
        "clusters": [
            {"name": "plain", "replicas": [worker.address]},
            {"name": "tls", "models": ["m"], "tls": {"ca_file": ca}, "replicas": ["127.0.0.1:9"]},
        ],
        "reload_interval_ms": 0,
    }
    fleet = configured(configuration, [worker], awaits_probes=False)
    homing, path = fleet.homing, tmp_path / "homing.yaml"

    def hang_up(result: str):
        before = homing.metrics().sum("homing_config_reloads_total", result=result)
        homing.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: homing.metrics().sum("homing_config_reloads_total", result=result) == before + 1, result
        )

    configuration["clusters"][1]["tls"]["ca_file"] = str(tmp_path / "none.pem")
    configuration["log_level"] = "debug"
    path.write_text(json.dumps(configuration))
    hang_up("failure")
    assert json.loads(homing.get("/api/log-level")[1]) == {"log_level": "info"}, "all or nothing"
    copy = tmp_path / "copy.pem"
    copy.write_text(open(ca).read())
    configuration["clusters"][1]["tls"]["ca_file"] = str(copy)
    path.write_text(json.dumps(configuration))
    hang_up("success")
    assert json.loads(homing.get("/api/log-level")[1]) == {"log_level": "debug"}
    hang_up("unchanged")
    assert homing.terminate() == 0


def test_reload_says_what_is_wrong(fleet):
    done = subprocess.run([program(), "reload", "--admin", fleet.homing.admin], capture_output=True, text=True, timeout=30)
    assert done.returncode == 4 and "admin.auth.tokens" in done.stderr
    done = subprocess.run([program(), "reload", "--admin", "nowhere"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    done = subprocess.run([program(), "reload", "--admin", "127.0.0.1:1"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1

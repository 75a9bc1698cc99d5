"""What Prometheus itself says of our metrics, alert rules and dashboard."""

import json
import re
import shutil
import subprocess

import pytest

from processes import wait_until
from stubs import ROOT

PROMTOOL = shutil.which("promtool")
DEPLOY = ROOT / "scripts" / "deploy"
NAME = re.compile(r"\bhoming_[a-z0-9_]+")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: scripts/setup --test installs it")


def promtool(*arguments: str, text: str = "") -> str:
    """What promtool says; fails unless it is content."""
    done = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def families(own_fleet, tmp_path) -> set[str]:
    """Every metric of a fleet that has served, discovers, failed and lost a replica, held against promtool's rules."""
    found, file = tmp_path / "replicas.yaml", tmp_path / "homing.yaml"
    found.write_text("[]")
    sources = [{"type": "file", "path": str(found)}]
    file.write_text(
        json.dumps({"listeners": ["127.0.0.1:0"], "clusters": [{"name": "default", "discovery": sources}]})
    )
    fleet = own_fleet(3, "-c", str(file))
    with fleet.client() as client:
        for number in range(12):
            assert client.predict(f"prompt {number % 3} " * 100).ok
    victim = fleet.workers[0]
    victim.kill()
    wait_until(
        lambda: fleet.homing.replicas()[victim.address]["state"] == "unreachable", "the killed replica is out"
    )
    text = fleet.homing.get("/metrics")[1]
    if PROMTOOL:
        assert promtool("check", "metrics", text=text) == ""
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    victim.restart()
    wait_until(lambda: fleet.homing.replicas()[victim.address]["usable"], "the replica is back")
    return names


def test_metrics_pass_promtool_and_the_dashboard_and_the_rules_name_only_those(families):
    assert len(families) > 25
    for path in (DEPLOY / "grafana-dashboard.json", DEPLOY / "alerts.yml"):
        named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(path.read_text())}
        assert len(named) >= 9 and not named - families, f"{path.name} names {sorted(named - families)}"


@needs_promtool
def test_the_alert_rules_pass_promtool():
    assert "SUCCESS: 11 rules found" in promtool("check", "rules", str(DEPLOY / "alerts.yml"))


@needs_promtool
def test_every_query_of_the_dashboard_is_promql(tmp_path):
    """As recording rules, since promtool checks nothing else; Grafana's variables stand for values."""
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 15
    replaced = [
        query.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$cluster", ".*")
        for query in queries
    ]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(replaced)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(path))


@needs_promtool
def test_an_alert_fires_when_no_replica_is_available_and_not_before(tmp_path):
    series = 'homing_replica_state{instance="i", cluster="chat", replica="a", state="available"}'
    unit = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": series, "values": "1 1 1 1 0 0 0 0 0 0"}],
                "alert_rule_test": [
                    {"eval_time": "1m30s", "alertname": "HomingNoReplica", "exp_alerts": []},
                    {
                        "eval_time": "4m",
                        "alertname": "HomingNoReplica",
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": "critical", "instance": "i", "cluster": "chat"},
                                "exp_annotations": {
                                    "summary": "no replica of chat is available",
                                    "description": "Streams get UNAVAILABLE or FAILED_PRECONDITION. "
                                    "'homing status' says what is wrong with each one.",
                                },
                            }
                        ],
                    },
                ],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(json.dumps(unit))
    promtool("test", "rules", str(path))

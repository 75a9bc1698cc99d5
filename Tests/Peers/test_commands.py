"""What scripts and people meet at the command line: a file to begin with, variables, exit codes, JSON, completions."""

import json
import os
import pathlib
import re
import subprocess
import urllib.request

import pytest

from fleet import Homing
from processes import Process, program
from stubs import ROOT

OPERATIONS = ROOT / "Sources" / "homing" / "homing.docc" / "Operations.md"


def run(*arguments: str, folder=None, text: str = "", **environment: str) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HOMING_")}
    return subprocess.run(
        [program(), *map(str, arguments)],
        capture_output=True,
        text=True,
        input=text,
        timeout=30,
        cwd=folder,
        env={**clean, **environment},
    )


def test_init_writes_a_file_that_is_right_and_leaves_one_that_is_there_alone(tmp_path):
    done = run("init", folder=tmp_path)
    written = tmp_path / "homing.yaml"
    assert done.returncode == 0 and "homing check-config homing.yaml" in done.stderr and done.stdout == ""
    assert run("check-config", written).returncode == 0
    assert run("init", "-").stdout == written.read_text()
    written.write_text("mine")
    again = run("init", "homing.yaml", folder=tmp_path)
    assert again.returncode == 73 and "--force" in again.stderr and written.read_text() == "mine"
    assert run("init", "homing.yaml", "--force", folder=tmp_path).returncode == 0
    assert written.read_text() == run("init", "-").stdout
    assert run("init", tmp_path / "none" / "homing.yaml").returncode == 73


def test_the_file_of_init_serves_two_embedded_workers(tmp_path):
    command = [program(), "worker", "--listen", "127.0.0.1:0", "--model", "m"]
    workers = [Process(command, r"worker grpc=(\S+)$") for _ in range(2)]
    file = tmp_path / "homing.yaml"
    text = run("init", "-").stdout.replace("127.0.0.1:50051", "127.0.0.1:0")
    homing = None
    try:
        for number, worker in enumerate(workers):
            text = text.replace(f"127.0.0.1:5005{2 + number}", worker.await_ready()[1])
        file.write_text(text)
        homing = Homing([], "-c", str(file)).started()
        homing.await_probed()
        said = run("predict", "--json", "hello", HOMING_ADDRESS=homing.address)
        assert json.loads(said.stdout)["status"] == "OK"
        assert run("status", HOMING_ADMIN=homing.admin).returncode == 0
    finally:
        for process in [homing, *workers]:
            if process and process.is_running:
                assert process.terminate() == 0, process.tail()


class Environment(Process):
    """`homing serve` that is told everything by variables."""

    def __init__(self, *arguments: str, **environment: str):
        clean = [f"--unset={name}" for name in os.environ if name.startswith("HOMING_")]
        pairs = [f"{name}={value}" for name, value in environment.items()]
        command = ["env", *clean, *pairs, program(), "serve", *arguments]
        super().__init__(command, r"^homing serving grpc=(\S+) admin=(\S+) clusters=(\d+) replicas=(\d+)$")


def test_variables_win_over_the_file_and_flags_over_both(tmp_path):
    file = tmp_path / "homing.yaml"
    file.write_text(
        "listeners: [127.0.0.1:0]\nlog_level: error\naccess_log: { enabled: false }\n"
        "clusters: [{ name: chat, replicas: [127.0.0.1:1, 127.0.0.1:2] }]\n"
    )
    serving = Environment(
        "--policy",
        "power_of_two",
        HOMING_CONFIG=str(file),
        HOMING_ADMIN="127.0.0.1:0",
        HOMING_THREADS="2",
        HOMING_CLUSTERS_0_ROUTING_POLICY="round_robin",
        HOMING_CLUSTERS_0_ROUTING_MAX_BLOCKS="99",
        HOMING_CLUSTERS_0_REPLICAS_1_WEIGHT="7",
    )
    try:
        admin = serving.await_ready()[2]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        settings = json.load(opener.open(f"http://{admin}/api/config", timeout=10))["settings"]
    finally:
        assert serving.terminate() == 0, serving.tail()
    cluster = settings["clusters"][0]
    assert settings["threads"] == 2 and settings["log_level"] == "error"
    assert cluster["routing"]["policy"] == "power_of_two" and cluster["routing"]["max_blocks"] == 99
    assert [replica["weight"] for replica in cluster["replicas"]] == [1, 7]


def test_a_container_needs_no_file():
    serving = Environment(
        HOMING_LISTEN="127.0.0.1:0,127.0.0.1:0", HOMING_REPLICA="127.0.0.1:1,127.0.0.1:2", HOMING_ADMIN="off"
    )
    try:
        ready = serving.await_ready()
        assert (ready[1].count(","), ready[2], ready[3], ready[4]) == (1, "off", "1", "2")
    finally:
        assert serving.terminate() == 0, serving.tail()


def test_every_wrong_variable_is_a_problem_at_once_and_is_named(tmp_path):
    file = tmp_path / "homing.yaml"
    file.write_text("proxy: { drain_timeout: 5 }\nclusters: [{ name: a, replicas: [h:1] }]\n")
    for command in (["serve", "-c", file], ["check-config", file]):
        done = run(
            *command,
            HOMING_THREADS="many",
            HOMING_CLUSTERS_0_PROBE_INTERVAL="5",
            HOMING_ADMIN__ADDRESS="127.0.0.1:0",
            HOMING_SERVICE_HOST="10.0.0.1",
        )
        assert done.returncode == 65 and done.stdout == ""
        assert sorted(done.stderr.splitlines()) == sorted(
            [
                f'{file}:1: proxy.drain_timeout: unknown key; did you mean "drain_timeout_ms"?',
                'HOMING_THREADS: expected a whole number, 0 to 1024, found "many"',
                "HOMING_CLUSTERS_0_PROBE_INTERVAL: no such variable; did you mean HOMING_CLUSTERS_0_PROBE_INTERVAL_MS?",
                "HOMING_ADMIN__ADDRESS: no such variable; did you mean HOMING_ADMIN_ADDRESS?",
            ]
        )


def test_check_config_in_json_says_the_same_as_in_words(tmp_path):
    file = tmp_path / "homing.yaml"
    file.write_text("threads: 3\nclusters: [{ name: a, replicas: [h:1] }]\n")
    said = json.loads(run("check-config", "--json", file).stdout)
    assert said["ok"] is True and said["problems"] == [] and said["settings"]["threads"] == 3
    file.write_text("threads: 3\nthraeds: 4\nclusters: [{ name: a, replicas: [h:0] }]\n")
    done = run("check-config", "--json", file, HOMING_LOG_LEVEL="loud")
    said = json.loads(done.stdout)
    assert done.returncode == 65 and said["ok"] is False and "settings" not in said
    assert [(found["path"], found.get("line"), found.get("variable")) for found in said["problems"]] == [
        ("thraeds", 2, None),
        ("clusters[0].replicas[0].address", 3, None),
        ("log_level", None, "HOMING_LOG_LEVEL"),
    ]


#: A command for every row of the table of exit codes: what is written for FILE is the file's text.
ENDINGS = {
    (0, "check-config"): (["check-config", "FILE"], "clusters: []"),
    (1, "predict"): (["predict", "--address", "WORKER", "--model", "other", "x"], ""),
    (1, "status"): (["status", "--admin", "127.0.0.1:1"], ""),
    (2, "top"): (["top", "--interval-ms", "1"], ""),
    (64, "serve"): (["serve", "--policy", "best"], ""),
    (65, "serve"): (["serve", "-c", "FILE"], "threads: many"),
    (65, "check-config"): (["check-config", "FILE"], "thraeds: 1"),
    (65, "replay"): (["replay", "FILE"], "no trace"),
    (66, "serve"): (["serve", "-c", "NOWHERE"], ""),
    (66, "worker"): (["worker", "--auth-token-file", "NOWHERE"], ""),
    (66, "replay"): (["replay", "NOWHERE"], ""),
    (69, "serve"): (["serve", "--listen", "WORKER", "--admin", "off", "--replica", "127.0.0.1:1"], ""),
    (69, "worker"): (["worker", "--listen", "WORKER"], ""),
    (69, "predict"): (["predict", "--address", "127.0.0.1:1", "x"], ""),
    (73, "init"): (["init", "FILE"], "mine"),
}


@pytest.fixture(scope="module")
def worker():
    process = Process([program(), "worker", "--listen", "127.0.0.1:0", "--model", "nest"], r"worker grpc=(\S+)$")
    yield process.await_ready()[1]
    assert process.terminate() == 0


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"{ending[1]}-{ending[0]}")
def test_every_exit_code_is_as_the_table_says(ending, worker, tmp_path):
    arguments, text = ENDINGS[ending]
    file = tmp_path / "file"
    file.write_text(text)
    places = {"FILE": str(file), "NOWHERE": str(tmp_path / "none"), "WORKER": worker}
    done = run(*[places.get(argument, argument) for argument in arguments])
    assert done.returncode == ending[0], done.stderr
    assert done.stderr or ending[0] == 0


def test_the_table_of_exit_codes_has_no_row_that_is_not_tried():
    # 3 and 4 need a fleet: test_terminal.py and test_reload.py try them.
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", OPERATIONS.read_text(), re.MULTILINE)
    assert {int(code) for code, _ in rows} == {code for code, _ in ENDINGS} | {3, 4}
    for code, command in ENDINGS:
        named = [who for number, who in rows if int(number) == code]
        assert any(f"`{command}`" in who or "every" in who or "all others" in who for who in named), (code, command)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["top"],
        ["top", "--count", "2", "--interval-ms", "100"],
        ["logs"],
        ["predict", "hello"],
        ["check-config", "FILE"],
        ["check-config", "--reference"],
        ["replay", "--family", "conversations", "--requests", "50", "--policies", "round_robin"],
    ],
    ids=" ".join,
)
def test_every_command_that_prints_facts_prints_them_as_json(arguments, fleet, tmp_path):
    file = tmp_path / "homing.yaml"
    file.write_text("clusters: [{ name: a, replicas: [h:1] }]")
    arguments = [str(file) if argument == "FILE" else argument for argument in arguments]
    done = run(*arguments, "--json", HOMING_ADMIN=fleet.homing.admin, HOMING_ADDRESS=fleet.address)
    assert done.returncode == 0, done.stderr
    text = done.stdout.strip()
    # Whole, or one value on each line.
    values = [json.loads(line) for line in text.splitlines()] if not text.startswith("[") else json.loads(text)
    assert values and all(isinstance(value, dict) for value in values)


def completed(words: list[str], folder: pathlib.Path) -> set[str]:
    """What bash offers for the last word of a command line."""
    script = folder / "completions"
    script.write_text(run("--generate-completion-script", "bash").stdout)
    line = " ".join(words)
    ask = """
        source "$1"; shift
        line=$1; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9
        command=${COMP_WORDS[0]}
        set -- $(complete -p homing)
        while [ "$1" != -F ]; do shift; done
        "$2" "$command" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", ask, "bash", script, line, *words],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        env={**os.environ, "PATH": f"{pathlib.Path(program()).parent}:{os.environ['PATH']}"},
    )
    return set(done.stdout.split())


def test_bash_completes_commands_flags_and_names(tmp_path):
    assert {"serve", "status", "init", "check-config"} <= completed(["homing", ""], tmp_path)
    assert completed(["homing", "serve", "--re"], tmp_path) == {"--replica"}
    assert completed(["homing", "serve", "--policy", "round"], tmp_path) == {"round_robin"}
    assert completed(["homing", "serve", "--log-level", "e"], tmp_path) == {"error"}
    (tmp_path / "homing.yaml").touch()
    assert "homing.yaml" in completed(["homing", "serve", "-c", "hom"], tmp_path)
    assert "reference" not in completed(["homing", ""], tmp_path), "not for users"


@pytest.mark.parametrize("command", ["serve", "init", "check-config", "status", "top", "logs", "predict", "replay"])
def test_the_help_of_every_command_says_how_it_is_used(command):
    said = run("help", command)
    assert said.returncode == 0 and "USAGE: homing" in said.stdout and f"homing {command}" in said.stdout
    assert "xit code" in said.stdout or command == "replay"


def test_the_help_is_worth_reading():
    said = run("--help").stdout
    for words in ("homing demo", "homing init", "SERVING SUBCOMMANDS", "NO_COLOR", "--json", "exit code"):
        assert words in said
    assert all(len(line) <= 80 for line in said.splitlines())

"""Every command of the documentation is run, every piece of configuration checked, every name in it looked up."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from docs import Bench, Page, pages
from processes import program
from stubs import ROOT

PAGES = pages()
RUNNING = [page for page in PAGES if any(block.runs for block in page.blocks)]
ids = [page.name for page in PAGES]


@pytest.fixture(scope="session")
def runs() -> dict[str, subprocess.CompletedProcess]:
    """What came of the commands of every page, which run side by side: most of the time is waiting."""

    def run(page: Page) -> subprocess.CompletedProcess:
        with Bench() as bench:
            return bench.run(bench.script([block for block in page.blocks if block.runs]))

    with ThreadPoolExecutor(4) as pool:
        return dict(zip([page.name for page in RUNNING], pool.map(run, RUNNING)))


def homing(*arguments: str, **how) -> subprocess.CompletedProcess:
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=30, **how)


@pytest.fixture(scope="module")
def keys() -> list[dict]:
    """Every key of the configuration, from the code."""
    return json.loads(homing("check-config", "--reference", "--json").stdout)


@pytest.mark.parametrize("name", [page.name for page in RUNNING])
def test_every_command_of_the_page_works(runs, name):
    done = runs[name]
    assert done.returncode == 0, f"{done.args[-3000:]}\n---\n{done.stdout[-3000:]}"


def test_the_first_five_minutes_show_what_they_promise(runs):
    said = runs["Sources/homing/homing.docc/GettingStarted.md"].stdout
    assert "policy expected_ttft, the default" in said, "the demo"
    assert re.search(r"replica +127\.0\.0\.1:\d+ \(cold\)", said), "the first prompt is new"
    assert re.search(r"replica +127\.0\.0\.1:\d+ \(prefix_match\)", said), "the second one is known"
    assert "2 of 2 usable" in said and "homing_picks_total{" in said
    assert re.search(r"to=(suspect|unreachable)", said), "the worker that was taken away"


def test_few_blocks_cannot_run_here_and_each_says_why():
    elsewhere = [(page.name, block) for page in PAGES for block in page.blocks if block.note.startswith("not-here")]
    for name, block in elsewhere:
        assert block.language == "sh" and len(block.note.split()) > 1, f"{name}: {block.note}"
    running = sum(block.runs for page in PAGES for block in page.blocks)
    assert running >= 15 and len(elsewhere) <= 16 and len(elsewhere) <= running, (running, len(elsewhere))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_is_fenced_in_pairs_and_has_a_known_language(page):
    assert page.text.count("\n```") % 2 == 0
    assert {block.language for block in page.blocks} <= {"sh", "yaml", "json", "text", "swift", "promql", "ini", "sql"}


COMMAND = re.compile(r"^(?:\$ |sudo |[A-Z_]+=\S+ )*(?:homing|curl|kill|systemctl|kubectl|apt|apt-get|docker|scripts/\w+) ")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_command_hides_in_a_block_without_a_language(page):
    inside, language = False, ""
    for line in page.text.splitlines():
        if line.startswith("```"):
            inside, language = not inside, line[3:]
        elif inside and not language:
            assert not COMMAND.match(line), f"write the block as sh: {line}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_piece_of_configuration_is_right(page, keys):
    sections = {re.split(r"[.\[]", key["path"])[0] for key in keys}
    with Bench() as bench:
        for number, block in enumerate(block for block in page.blocks if block.language == "yaml"):
            text = bench.placed(block.text)
            if text.startswith("- type: "):
                # Sources of replicas, as the page Discovery shows them one by one.
                inner = "".join(f"  {line}\n" for line in text.splitlines())
                text = f"clusters:\n- name: chat\n  discovery:\n{inner}"
            for path in re.findall(r"(?:token|password)_file: *([^\s}\]]+)", text):
                (bench.root / "work" / path).parent.mkdir(parents=True, exist_ok=True)
                (bench.root / "work" / path).write_text("a-token\n")
            path = bench.root / "work" / f"{number}.yaml"
            path.write_text(text)
            said = homing("check-config", str(path), env=bench.environment, cwd=bench.root / "work")
            if block.note:
                # Somebody else's: at least it is YAML.
                assert "is not valid YAML" not in said.stderr, said.stderr
            else:
                top = set(re.findall(r"^(\w+):", text, re.MULTILINE))
                assert top and top <= sections, f"not Homing's configuration: {top - sections}; say whose behind 'yaml'"
                assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_of_json_is_json(page):
    for block in page.blocks:
        if block.language == "json":
            for line in block.text.splitlines() if block.note == "lines" else [block.text]:
                json.loads(line)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_leads_to_a_page_and_every_path_to_a_file(page):
    folder = page.path.parent
    for name in re.findall(r"<doc:(\w+)>", page.text):
        assert (folder / f"{name}.md").exists(), f"<doc:{name}>"
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.text):
        assert (folder / target).exists(), target
    for path in re.findall(r"`((?:Sources|Tests|scripts|proto)/[\w/.+-]*)", page.text):
        assert (ROOT / path.rstrip(".")).exists() or (ROOT / path).exists() or "XTests" in path, path


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    return set(re.findall(r"^\| `(homing_\w+)`", homing("reference", "metrics").stdout, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_metric_and_variable_that_is_named_exists(page, metrics, keys):
    assert len(metrics) > 45
    for name in re.findall(r"\b(homing_[a-z0-9_]+)", page.text):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in metrics, name
    known = {variable for key in keys for variable in key["variables"]}
    serve = homing("help", "serve").stdout + homing("help", "status").stdout + homing("help", "predict").stdout
    others = {"HOMING_BIN", "HOMING_TEST_SEED", "HOMING_TOKEN", "HOMING_"} | set(re.findall(r"HOMING_[A-Z_]+", serve))
    # The number of an element may be another one than the first.
    for name in re.findall(r"\b(HOMING_[A-Z0-9_]*[A-Z])\b", page.text):
        assert re.sub(r"(?<=_)\d+(?=_)", "0", name) in known | others, name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_key_that_is_named_with_its_section_exists(page, keys):
    paths = {path for key in keys for path in key["path"].split(", ")}
    endings = {path.replace("[]", "") for path in paths}
    for path in list(endings):
        # The sections that hold it, too.
        endings |= {path.rsplit(".", depth)[0] for depth in range(1, path.count(".") + 1)}
    names = {part for ending in endings for part in ending.split(".")}
    for name in re.findall(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+)(?:: [^`]*)?`", page.text):
        if name.split(".")[0].rstrip("[]") in names and not name.endswith((".py", ".md", ".sh", ".yaml", ".json")):
            plain = name.replace("[]", "")
            assert any(end == plain or end.endswith(f".{plain}") for end in endings), name


def test_a_running_server_has_the_metrics_of_the_page_and_no_others(own_fleet, metrics):
    text = own_fleet(2).homing.get("/metrics")[1]
    assert set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) == metrics
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    page = (ROOT / "Sources/homing/homing.docc/Metrics.md").read_text()
    assert all(f"| {help} |" in page for help in helps.values())


def test_every_page_is_in_the_index():
    folder = ROOT / "Sources" / "homing" / "homing.docc"
    index = set(re.findall(r"<doc:(\w+)>", (folder / "homing.md").read_text()))
    assert index == {path.stem for path in folder.glob("*.md")} - {"homing"}


def test_the_generated_tables_are_what_the_program_says():
    done = subprocess.run(
        [ROOT / "scripts" / "reference", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOMING_BIN": program()},
    )
    assert done.returncode == 0, done.stdout + done.stderr

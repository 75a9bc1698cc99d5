"""Fixtures. Every test that touches a fleet ends by asserting that nothing is held in it any more."""

import json
import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import pytest

from fleet import Fleet, Homing, launch
from processes import Worker, program


def pytest_addoption(parser):
    parser.addoption(
        "--direct", action="store_true", help="only the tests that must pass without the program too, without it"
    )


def pytest_collection_finish(session):
    if session.items and not session.config.getoption("--direct") and not os.access(program(), os.X_OK):
        pytest.exit(f"no program at {program()}: scripts/test peers builds it, HOMING_BIN names another one", 2)


def pytest_generate_tests(metafunc):
    """A test that asks for `relay` is a promise of transparency: it runs on a bare worker and through the program."""
    if "way" in metafunc.fixturenames:
        ways = ["direct"] if metafunc.config.getoption("--direct") else ["direct", "homing"]
        metafunc.parametrize("way", ways, scope="session")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--direct"):
        chosen = [item for item in items if "way" in item.fixturenames]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the processes said goes with the report of a failed test."""
    report = yield
    if report.failed:
        for fleet in getattr(item, "fleets", []):
            report.sections.append(("processes", fleet.report()))
    return report


class SharedFleets:
    """Fleets for tests that leave them as they found them, by way. One that died is replaced: only its test fails."""

    def __init__(self):
        self.fleets: dict[str, Fleet] = {}

    def get(self, way: str) -> Fleet:
        if way in self.fleets and not self.fleets[way].is_alive:
            self.fleets.pop(way).stop()
        if way not in self.fleets:
            self.fleets[way] = (
                launch(1, direct=True) if way == "direct" else launch(3, "--policy", "prefix_cache")
            )
        return self.fleets[way]


@pytest.fixture(scope="session")
def shared_fleets():
    shared = SharedFleets()
    yield shared
    for fleet in shared.fleets.values():
        fleet.stop()


def lent(request, fleet: Fleet):
    request.node.fleets = [fleet]
    fleet.expect_quiet()
    yield fleet
    fleet.expect_alive()
    fleet.expect_quiet()


@pytest.fixture
def relay(request, way, shared_fleets):
    """A bare worker or three behind the program, by `way`; what passes on one must pass on the other."""
    yield from lent(request, shared_fleets.get(way))


@pytest.fixture
def fleet(request, shared_fleets):
    """The shared fleet through the program."""
    yield from lent(request, shared_fleets.get("homing"))


@pytest.fixture
def configured(own_fleet, request, tmp_path):
    """Starts the program with a configuration (a dictionary: JSON is YAML) in front of workers that a test made, and
    waits for its first probes unless told not to."""

    def start(configuration: dict, workers: list[Worker], awaits_probes: bool = True) -> Fleet:
        fleet = Fleet(workers, None)
        request.node.fleets.append(fleet)
        for worker in workers:
            if not worker.address:
                worker.started()
        path = tmp_path / "homing.yaml"
        path.write_text(json.dumps(configuration))
        fleet.homing = Homing([], "-c", str(path)).started()
        if awaits_probes:
            fleet.homing.await_probed()
        return fleet

    return start


@pytest.fixture
def own_fleet(request):
    """Starts fleets of the test's own, for tests that kill, stop or restart something."""
    request.node.fleets = []

    def start(workers: int, *arguments: str, worker_arguments: tuple[str, ...] = ()) -> Fleet:
        fleet = launch(workers, *arguments, worker_arguments=worker_arguments)
        request.node.fleets.append(fleet)
        return fleet

    yield start
    failures = []
    for fleet in request.node.fleets:
        for step in (fleet.expect_quiet, fleet.stop):
            try:
                step()
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, "\n".join(failures)

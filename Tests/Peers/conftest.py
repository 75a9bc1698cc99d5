"""Fixtures. Every test that touches a fleet ends by asserting that nothing is held in it any more."""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import pytest

from fleet import Fleet, launch
from processes import program


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


@pytest.fixture(scope="session")
def direct_fleet():
    fleet = launch(1, direct=True)
    yield fleet
    fleet.stop()


@pytest.fixture(scope="session")
def shared_fleet():
    """Three workers behind the program, for tests that leave them as they found them."""
    fleet = launch(3, "--policy", "prefix_cache")
    yield fleet
    fleet.stop()


def lent(request, fleet: Fleet):
    request.node.fleets = [fleet]
    fleet.expect_quiet()
    yield fleet
    fleet.expect_quiet()


@pytest.fixture
def relay(request, way):
    """A bare worker or three behind the program, by `way`; what passes on one must pass on the other."""
    yield from lent(request, request.getfixturevalue("direct_fleet" if way == "direct" else "shared_fleet"))


@pytest.fixture
def fleet(request, shared_fleet):
    """The shared fleet through the program."""
    yield from lent(request, shared_fleet)


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

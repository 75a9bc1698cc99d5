"""How often a call allocates memory: a count, which tells of what a change put on the path of every call before any clock
would. The numbers are those of a debug build, where much is allocated that the compiler takes out of a release;
`scripts/bench allocations` has the ones that users pay. When they fall, lower them here."""

import subprocess
import sys

import pytest
from processes import program
from stubs import ROOT

#: Allocations per unary call of 200 bytes, of 12 KB, and per stream of 128 messages, where one a message would be 128 more.
MOST = {"A": 30, "B": 30, "C": 60}


@pytest.fixture(scope="module", autouse=True)
def tools():
    subprocess.run([ROOT / "scripts/bench", "tools"], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("kind", MOST)
def test_a_call_allocates_no_more_than_it_did(kind):
    counted = subprocess.run(
        [sys.executable, "-B", ROOT / "Tests/Benchmarks/allocations.py", "--homing", program(), "--requests", "500",
         "--at-most", f"{kind}={MOST[kind]}"],
        capture_output=True, text=True, timeout=120)
    assert counted.returncode == 0, counted.stdout + counted.stderr

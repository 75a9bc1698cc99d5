"""A short run of every fault through the program; scripts/chaos is the long one, beside nghttpx and HAProxy."""

import random

import pytest

from chaos import FAULTS, run


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_real_workers_misses_no_goal(fault):
    seed = random.randrange(2**32)
    row = run(fault, "homing", rate=80, count=4, scale=0.3, seed=seed)
    print(f"seed {seed}\n{row.text()}")
    assert not row.misses, row.misses

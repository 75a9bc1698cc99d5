"""A short stress run; scripts/stress 100000 is the long one."""

import random

from stress import stress


def test_streams_of_all_kinds_survive_callers_that_give_up_and_workers_that_die():
    seed = random.randrange(2**32)
    figures = stress(3_000, seed)
    print(f"seed {seed}", figures)
    assert figures["streams"] >= 3_000 and figures["kills"] >= 1

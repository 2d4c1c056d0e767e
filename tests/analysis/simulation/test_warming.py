"""A cold canary meets its first user when it is warm, or when it has had its time."""

from __future__ import annotations

import numpy as np

from dawsos.analysis.simulation.scenarios import COLD_SECONDS, World
from dawsos.analysis.simulation.warming import ages


def test_a_cold_start_is_over_before_the_first_user_comes() -> None:
    found = ages(World(), 0.05, 60.0, 2000, 1)
    # Twelve seconds of it may be left: a fault of ten is none.
    assert np.mean(found < COLD_SECONDS - 12.0) < 0.01
    assert COLD_SECONDS < np.median(found) < COLD_SECONDS + 8.0


def test_no_canary_waits_for_longer_than_the_policy_says() -> None:
    assert (ages(World(), 0.05, 10.0, 200, 1) <= 10.0).all()

"""How old a canary is when its first user comes: ``analysis.warmth`` by column, against a stable whose latency is known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dawsos.analysis.simulation.scenarios import COLD_FACTOR, COLD_SECONDS, World
from dawsos.analysis.statistical.latency import FORGIVEN
from dawsos.analysis.warmth import BETWEEN, FAST, SLOW, SURE

Floats = npt.NDArray[np.float64]

# Questions a second, as of a rollout with one declared request.
_RATE = 4


def ages(world: World, tolerance: float, most: float, columns: int, seed: int) -> Floats:
    """Return after how many seconds each cold canary gets its first user, ``most`` at the highest."""
    random = np.random.default_rng((seed, 5))
    sigma = math.log(world.p95 / world.p50) / 1.6448536269514722
    slow, fast = max(FORGIVEN * world.p50, world.p50 + tolerance), world.p50 + tolerance / 2
    found, total = np.full(columns, most), np.zeros(columns)
    for question in range(int(most * _RATE)):
        age = question / _RATE
        factor = COLD_FACTOR if age < COLD_SECONDS else 1.0
        latency = world.p50 * factor * np.exp(sigma * random.standard_normal(columns))
        total = np.maximum(0.0, total + np.where(latency > slow, SLOW, np.where(latency <= fast, FAST, BETWEEN)))
        found = np.where((total >= SURE) & (found == most), age, found)
    return found

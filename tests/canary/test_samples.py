"""A sample that went through the journal is the sample that was taken."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.canary.samples import from_bodies, to_body
from dawsos.model.rollout import Counts, Judgement, Reading, Sample

EDGES = (0.1, 0.2, 0.5, math.inf)
BUCKETS = st.lists(st.integers(0, 50), min_size=4, max_size=4)


def _counts(buckets: list[int], errors: int) -> Counts:
    running = [sum(buckets[: index + 1]) for index in range(4)]
    return Counts(running[-1], min(errors, running[-1]), tuple(zip(EDGES, running, strict=True)))


@given(st.lists(st.tuples(BUCKETS, BUCKETS, st.integers(0, 9)), min_size=1, max_size=6))
@settings(deadline=None)
def test_samples_come_back(drawn: list[tuple[list[int], list[int], int]]) -> None:
    full = [Sample(99.0, 1.0, 5, _counts([1, 1, 1, 1], 0), _counts([1, 1, 1, 1], 0))]
    samples = full + [
        Sample(float(at), 1.0, 25, _counts(canary, errors), _counts(stable, 0), restarts=1, counters={"x": 1.0})
        for at, (canary, stable, errors) in enumerate(drawn)
    ]
    judged = Judgement("healthy", "fine", tests=(Reading("worse", -math.inf, 4.7, 0.1, 0.0, 0.2, 10, 1),))
    bodies = json.loads(json.dumps([to_body(each, judged, 25) for each in samples], allow_nan=False))
    assert from_bodies(bodies) == samples
    assert bodies[0]["evidence"][0]["log_e"] == -99.0


def test_a_sample_of_an_older_version_has_no_latencies() -> None:
    old = {"at": 1.0, "weight": 5, "seconds": 1.0, "canary": {"requests": 3, "errors": 1, "p95": 0.1}, "stable": {}}
    assert from_bodies([old]) == [Sample(1.0, 1.0, 5, Counts(3, 1), Counts())]

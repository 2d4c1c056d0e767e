"""A sample that went through the journal is the sample that was taken."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.measures import quantile, total
from dawsos.analysis.samples import from_facts, to_fact
from dawsos.analysis.statistical.latency import above, choose_edges, tables
from dawsos.model.events import RolloutSampled
from dawsos.model.rollout import Client, ClientSide, Counts, Judgement, Reading, Resources, Sample

EDGES = (0.1, 0.2, 0.5, math.inf)
SPARSE = st.lists(st.sampled_from([0, 0, 0, 40]), min_size=4, max_size=4)
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
    bodies = json.loads(json.dumps([to_fact(each, judged, 25).body() for each in samples], allow_nan=False))
    facts = [RolloutSampled.read(body) for body in bodies]
    assert from_facts(facts) == samples
    assert facts[0].evidence[0].log_e == -99.0


def test_a_sample_of_an_older_version_has_no_latencies() -> None:
    old = {"at": 1.0, "weight": 5, "seconds": 1.0, "canary": {"requests": 3, "errors": 1, "p95": 0.1}, "stable": {}}
    assert from_facts([RolloutSampled.read(old)]) == [Sample(1.0, 1.0, 5, Counts(3, 1), Counts())]


@given(st.lists(st.tuples(SPARSE, SPARSE), min_size=1, max_size=3))
@settings(deadline=None)
def test_what_came_back_gives_the_same_counts_above_every_limit(drawn: list[tuple[list[int], list[int]]]) -> None:
    """A judge that is shown the recording has the evidence that it had, also where no sample filled every bucket."""
    samples = [Sample(float(at), 1.0, 5, _counts(one, 0), _counts(two, 0)) for at, (one, two) in enumerate(drawn)]
    back = from_facts([to_fact(each, Judgement("healthy", "fine"), 5) for each in samples])
    edges, past = (
        choose_edges(total(each.stable for each in samples * 99), 0.05),
        total(each.stable for each in back * 99),
    )
    for old, new in zip(samples, back, strict=True):
        assert tables(choose_edges(past, 0.05), new.canary, new.stable) == tables(edges, old.canary, old.stable)
        assert [above(new.canary, limit) for limit in (0.05, 0.15, 0.3)] == [
            above(old.canary, limit) for limit in (0.05, 0.15, 0.3)
        ]
        assert quantile(new.canary, 0.95) == quantile(old.canary, 0.95)


def test_a_canary_that_became_slower_is_slower_in_the_recording_too() -> None:
    fast, slow = _counts([100, 0, 0, 0], 0), _counts([0, 0, 100, 0], 0)
    (back,) = from_facts([to_fact(Sample(0.0, 1.0, 5, slow, fast), Judgement("healthy", "fine"), 5)])
    for sides in ((slow, fast), (back.canary, back.stable)):
        (edge, *_) = choose_edges(total([sides[1]] * 3), 0.05)
        assert above(sides[0], edge.canary) == 100


SIZES = ((0.0, 1), (100.0, 4), (math.inf, 9))
FULL = Sample(
    2.0,
    1.0,
    5,
    Counts(
        9,
        3,
        codes={"2xx": 5, "4xx": 2, "404": 2, "3xx": 0},
        faults={"reset": 1, "refused": 0},
        under_way=4,
        waiting=((0.5, 3), (2.0, 1)),
        sizes=SIZES,
    ),
    Counts(100, 0, under_way=0, sizes=tuple((edge, 2 * count) for edge, count in SIZES)),
    canary_resources=Resources(2, 3e8, 12.5, 5e8),
    stable_resources=Resources(4, 6e8, 25.25),
    deaths=1,
    stable_deaths=0,
    client=Client(ClientSide(9, 3), ClientSide(100, 0), ClientSide(2, 2)),
)


def test_all_that_a_sample_tells_comes_back() -> None:
    body = json.loads(json.dumps(to_fact(FULL, Judgement("healthy", "fine"), 5).body(), allow_nan=False))
    assert from_facts([RolloutSampled.read(body)]) == [FULL]


def test_what_was_not_told_takes_no_room_in_the_journal() -> None:
    body = to_fact(Sample(1.0, 1.0, 5, Counts(3, 1)), Judgement("healthy", "fine"), 5).body()
    assert body["canary"] == {"requests": 3, "errors": 1, "p95": None, "buckets": ()}
    assert not {"canary_resources", "stable_resources", "deaths", "stable_deaths", "client"} & body.keys()


def test_a_sample_of_an_older_version_tells_nothing_new() -> None:
    old = {"at": 1.0, "weight": 5, "seconds": 1.0, "canary": {"requests": 3, "errors": 1}, "stable": {}, "restarts": 1}
    (sample,) = from_facts([RolloutSampled.read(old)])
    assert sample == Sample(1.0, 1.0, 5, Counts(3, 1), Counts(), restarts=1)
    assert (sample.canary.under_way, sample.deaths, sample.client, sample.canary_resources) == (None, None, None, None)

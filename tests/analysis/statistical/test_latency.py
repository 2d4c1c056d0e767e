"""Edges come from stable's past; a table counts what lies above them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.statistical.latency import Edge, History, above, choose_edges, tables
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.rollout import Counts

EDGES = (0.1, 0.12, 0.15, 0.18, 0.22, 0.5, 1.2, math.inf)


def _counts(*buckets: int) -> Counts:
    running = [sum(buckets[: index + 1]) for index in range(len(buckets))]
    return Counts(running[-1], 0, tuple(zip(EDGES, running, strict=True)))


def test_the_canary_is_forgiven_the_next_edge() -> None:
    assert choose_edges(_counts(500, 400, 80, 15, 4, 1, 0, 0), 0.0) == (
        Edge(0.1, 0.12), Edge(0.12, 0.15), Edge(0.18, 0.22),
    )  # fmt: skip


def test_a_tolerance_in_seconds_moves_the_canary_s_edge_further() -> None:
    assert choose_edges(_counts(1000, 0, 0, 0, 0, 0, 0, 0), 0.05)[0] == Edge(0.1, 0.15)


def test_too_little_past_gives_no_edges_and_no_tables() -> None:
    assert choose_edges(_counts(199, 0, 0, 0, 0, 0, 0, 0), 0.0) == ()
    assert tables((), _counts(1, 0, 0, 0, 0, 0, 0, 0), Counts()) == (Table(), Table(), Table())


def test_a_table_counts_what_is_above_each_version_s_own_edge() -> None:
    found = tables([Edge(0.12, 0.15)] * 3, _counts(1, 2, 3, 4, 0, 0, 0, 0), _counts(5, 6, 7, 8, 0, 0, 0, 0))
    assert found[0] == Table(10, 4, 26, 15)


def test_beyond_the_last_edge_nothing_is_above() -> None:
    history = _counts(0, 0, 0, 0, 0, 0, 0, 300)
    edge = choose_edges(history, 0.0)[0]
    assert above(history, edge.canary) == 0


@given(st.lists(st.integers(0, 100), min_size=8, max_size=8), st.sampled_from(EDGES))
@settings(deadline=None)
def test_above_is_the_rest(buckets: list[int], edge: float) -> None:
    counts = _counts(*buckets)
    assert above(counts, edge) == sum(buckets[EDGES.index(edge) + 1 :])
    assert above(Counts(), edge) == 0


def test_history_fades_and_starts_again_with_other_edges() -> None:
    history = History()
    for _ in range(50):
        history.add(_counts(1000, 0, 0, 0, 0, 0, 0, 0))
    assert history.counts.latency[-1][1] <= 20_000
    history.add(Counts(5, 0, ((1.0, 5), (math.inf, 5))))
    edge, requests = history.counts.latency[-1]
    assert edge == math.inf
    assert requests == pytest.approx(5)

"""The declared mix: each request has its share, evenly spread, and it goes to this machine only."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.adapters.load import OpenLoopLoad, _mix
from dawsos.errors import BadInput
from dawsos.model.policy import Load, LoadRequest


@given(st.lists(st.floats(0.05, 10), min_size=1, max_size=6))
def test_over_a_hundred_requests_each_has_its_share(shares: list[float]) -> None:
    requests = tuple(LoadRequest(path=f"/{number}", share=share) for number, share in enumerate(shares))
    counted = Counter(request.path for request in _mix(requests))
    assert sum(counted.values()) == 100
    for request in requests:
        assert abs(counted[request.path] - 100 * request.share / sum(shares)) < 2


def test_the_mix_is_spread_and_not_in_blocks() -> None:
    cycle = [request.path for request in _mix((LoadRequest(path="/a", share=1), LoadRequest(path="/b", share=1)))]
    assert all(one != two for one, two in itertools.pairwise(cycle))


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:80", "http://example.org", "http://127.0.0.1.example.org", "http://0.0.0.0"]
)
def test_load_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="this machine only"):
        OpenLoopLoad(url, Load(rate=1, requests=(LoadRequest(path="/"),)))


def test_before_anything_was_sent_there_is_an_outcome_all_the_same() -> None:
    load = OpenLoopLoad("http://127.0.0.1:1", Load(rate=1, requests=(LoadRequest(path="/"),)))
    assert load.outcome() == {"sent": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "failures": {}, "p95": None}

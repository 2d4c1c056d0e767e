"""The declared mix: each request has its share, evenly spread, and it goes to no public address."""

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
    "url", ["http://192.0.2.1:80", "http://172.32.0.1", "http://0.0.0.0", "http://[2001:db8::1]", "http://1.1.1.1"]
)
def test_load_to_a_public_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="private network"):
        OpenLoopLoad(url, Load(rate=1, requests=(LoadRequest(path="/"),)))


@pytest.mark.parametrize(
    "url", ["http://10.96.0.83", "http://172.16.0.1:80", "https://[fd00::1]", "http://localhost:1"]
)
def test_load_to_a_network_of_one_s_own_is_sent(url: str) -> None:
    OpenLoopLoad(url, Load(rate=1, requests=(LoadRequest(path="/"),)))


def test_a_name_counts_by_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"mixed": ["10.0.0.1", "192.0.2.1"], "inside": ["10.0.0.1"]}

    def resolve(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if host not in known:
            raise OSError("Name or service not known")
        return [(2, 1, 6, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    declared = Load(rate=1, requests=(LoadRequest(path="/"),))
    OpenLoopLoad("http://inside", declared)
    for host in ("mixed", "nowhere"):
        with pytest.raises(BadInput, match=host):
            OpenLoopLoad(f"http://{host}", declared)


def test_before_anything_was_sent_there_is_an_outcome_all_the_same() -> None:
    load = OpenLoopLoad("http://127.0.0.1:1", Load(rate=1, requests=(LoadRequest(path="/"),)))
    assert load.outcome() == {"sent": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "failures": {}, "p95": None}

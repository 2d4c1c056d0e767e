"""What every kind of gateway keeps to."""

from __future__ import annotations

import pytest

from dawsos.platforms.kubernetes.gateways.contract import Backend, GatewayAdapter
from dawsos.platforms.kubernetes.gateways.registry import GATEWAYS

BACKENDS = (Backend("ns", "shop-stable", 80, "shop", 0), Backend("ns", "shop-canary", 80, "shop", 1))


@pytest.fixture(params=list(GATEWAYS))
def adapter(request: pytest.FixtureRequest) -> GatewayAdapter:
    found: GatewayAdapter = GATEWAYS[request.param]
    return found


def test_a_page_without_the_backend_says_nothing_of_it(adapter: GatewayAdapter) -> None:
    for backend in BACKENDS:
        assert adapter.read("", backend) is None
        assert adapter.read("other_total 7\n", backend) is None


def test_it_says_where_its_numbers_are(adapter: GatewayAdapter) -> None:
    assert adapter.path.startswith("/")
    assert 0 < adapter.port < 65536
    assert all(isinstance(value, str) for value in adapter.query(BACKENDS).values())

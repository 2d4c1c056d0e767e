"""The registry of gateways against the names of pipeline.yaml."""

from __future__ import annotations

from typing import get_args

from dawsos.model.cluster import GatewayKind
from dawsos.platforms.kubernetes.gateways.registry import GATEWAYS


def test_every_kind_of_gateway_has_its_adapter() -> None:
    assert set(get_args(GatewayKind)) == set(GATEWAYS)

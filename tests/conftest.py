"""Shared fixtures.  Unit tests may not reach the network: only tests marked ``e2e`` may open a socket, on loopback,
and those marked ``kubernetes`` to their cluster.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

# The tests of the tiny projects are theirs: each is run in a repository of its own.
collect_ignore = ["pipelines"]
pytest_plugins = ["support.cluster_fixtures"]


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(request.node.get_closest_marker(name) for name in ("e2e", "kubernetes")):

        def refuse(_self: socket.socket, address: Any) -> None:
            if isinstance(address, tuple):
                raise AssertionError(f"a unit test tried to connect to {address}")

        monkeypatch.setattr(socket.socket, "connect", refuse)

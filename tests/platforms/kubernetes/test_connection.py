"""A connection is closed when its last user has ended."""

from __future__ import annotations

import asyncio

import pytest

from dawsos.adapters.kubernetes import Cluster
from dawsos.platforms.kubernetes.connection import Connection


def test_it_is_closed_when_the_last_of_its_users_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    async def close(self: Cluster) -> None:
        closed.append(self.context)

    monkeypatch.setattr(Cluster, "close", close)

    async def scene() -> None:
        connection = Connection("c")
        async with connection.open() as first:
            async with connection.open() as second:
                assert first is second
            assert closed == []
        assert closed == ["c"]
        with pytest.raises(ValueError, match="x"):
            async with connection.open():
                raise ValueError("x")
        assert closed == ["c", "c"]

    asyncio.run(scene())

"""Journals as ConfigMaps: parts are replaced as a whole, the newest run comes first, and old ones go."""

from __future__ import annotations

import asyncio

import pytest

from dawsos.adapters.kubernetes import ApiError, Unreachable
from dawsos.platforms.contract import KeptHead
from dawsos.platforms.kubernetes.journal import ClusterJournal
from support.memory_objects import MemoryObjects


def run(number: int) -> str:
    return f"20260301-12000{number}-c0ffee0-aa"


def test_a_run_is_read_as_it_was_put() -> None:
    async def scene() -> None:
        objects = MemoryObjects()
        journal = ClusterJournal(objects.cluster, "shop", "shop-prod")
        for content in (b"old", b"\x00new"):
            await journal.put(run(1), 1, content)
        await journal.put(run(1), 0, b"evidence")
        head = KeptHead(run(1), "signed", 2)
        await journal.put_head(head)
        assert await journal.heads() == (head,)
        assert await journal.read(head) == (b"evidence", b"\x00new")
        assert await ClusterJournal(objects.cluster, "shop", "other").heads() == ()
        with pytest.raises(ApiError):
            await journal.read(KeptHead(run(1), "signed", 3))

    asyncio.run(scene())


def test_the_newest_comes_first_and_only_five_stay() -> None:
    async def scene() -> None:
        objects = MemoryObjects()
        journal = ClusterJournal(objects.cluster, "shop", "shop-prod")
        for number in (3, 1, 2, 4, 5, 6, 7):
            await journal.put(run(number), 0, b"")
            await journal.put_head(KeptHead(run(number), "", 1))
        assert [head.run for head in await journal.heads()] == [run(number) for number in (7, 6, 5, 4, 3)]
        assert len(objects.objects) == 10

    asyncio.run(scene())


def test_a_cluster_that_is_away_is_an_error() -> None:
    async def scene() -> None:
        objects = MemoryObjects()
        objects.away = True
        with pytest.raises(Unreachable):
            await ClusterJournal(objects.cluster, "shop", "shop-prod").put(run(1), 0, b"")

    asyncio.run(scene())

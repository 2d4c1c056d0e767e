"""A picture of objects that follows the API server's changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Unreachable
from dawsos.platforms.kubernetes import watching
from dawsos.platforms.kubernetes.watching import Watch
from fakes import VirtualClock
from support.memory_cluster import PATHS, MemoryCluster
from support.shop import a_shop, labels_of, pod

LABELS = labels_of("two")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_PAUSE", 0.0)


async def some_turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def names(watch: Watch) -> list[str]:
    return sorted(each["metadata"]["name"] for each in watch.objects.values())


def play(scene: Any) -> None:
    async def played() -> None:
        made = a_shop(VirtualClock())
        told: list[tuple[str, str]] = []
        watch = Watch(
            made,  # type: ignore[arg-type]
            PATHS.of("pods"),
            LABELS,
            lambda event, found: told.append((event, found["metadata"]["name"])),
        )
        try:
            await scene(made, watch, told)
        finally:
            await watch.close()

    asyncio.run(played())


def test_it_has_what_is_there_and_then_each_change() -> None:
    async def scene(made: MemoryCluster, watch: Watch, told: list[tuple[str, str]]) -> None:
        await watch.start()
        assert names(watch) == ["two-0", "two-1"]
        await some_turns()
        made.put(PATHS.of("pods", "two-2"), pod("two-2", "two"))
        made.put(PATHS.of("pods", "one-2"), pod("one-2", "one"))
        made.drop(PATHS.of("pods", "two-0"))
        await some_turns()
        assert names(watch) == ["two-1", "two-2"]
        assert told == [("ADDED", "two-0"), ("ADDED", "two-1"), ("ADDED", "two-2"), ("DELETED", "two-0")]
        assert watch.current

    play(scene)


def test_what_changed_while_nobody_could_be_heard_is_told_afterwards() -> None:
    async def scene(made: MemoryCluster, watch: Watch, told: list[tuple[str, str]]) -> None:
        await watch.start()
        await some_turns()
        made.away = True
        made.interrupt()
        made.drop(PATHS.of("pods", "two-0"))
        made.put(PATHS.of("pods", "two-2"), pod("two-2", "two"))
        await some_turns()
        assert not watch.current
        assert names(watch) == ["two-0", "two-1"]
        told.clear()
        made.away = False
        await some_turns()
        assert watch.current
        assert names(watch) == ["two-1", "two-2"]
        assert set(told) == {("DELETED", "two-0"), ("ADDED", "two-2"), ("MODIFIED", "two-1")}
        made.put(PATHS.of("pods", "two-3"), pod("two-3", "two"))
        await some_turns()
        assert "two-3" in names(watch)

    play(scene)


def test_a_watch_that_cannot_begin_says_so() -> None:
    async def scene(made: MemoryCluster, watch: Watch, _told: Any) -> None:
        made.away = True
        with pytest.raises(Unreachable):
            await watch.start()
        assert not watch.current

    play(scene)

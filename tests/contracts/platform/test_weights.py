"""The canary gets its share of the traffic, and no request is lost when the share changes."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.platform.scenes import serving, with_canary
from contracts.platform.subjects import Subject


@pytest.mark.parametrize(("weight", "least", "most"), [(0, 0, 0), (25, 20, 80), (100, 200, 200)])
def test_the_canary_gets_its_weight(play: Any, weight: int, least: int, most: int) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, new = await with_canary(subject)
        traffic = platform.traffic()
        seconds = await traffic.set_weight(weight)
        answered = await subject.ask(200)
        await traffic.close()
        assert 0 <= seconds < 10
        assert least <= answered[new.commit] <= most
        assert answered[new.commit] + answered[old.commit] == 200
        assert (await platform.status()).roles.weight == weight

    play(scene)


def test_a_first_release_has_all_traffic_without_a_stable_one(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        await platform.renew_lease(600)
        await platform.route(None, "stable", 100)
        assert await subject.ask(20) == {old.commit: 20}

    play(scene)


def test_after_weight_zero_not_one_request_reaches_the_canary(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, new = await with_canary(subject, 50)
        traffic = platform.traffic()
        assert (await subject.ask(100))[new.commit] > 0
        await traffic.set_weight(0)
        drained = await traffic.wait_until_drained(10)
        await traffic.close()
        assert await subject.ask(100) == {old.commit: 100}
        assert drained.received <= 1.0
        assert drained.answered is not None

    play(scene)


def test_without_a_canary_there_is_nothing_to_drain(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _ = await serving(subject)
        traffic = platform.traffic()
        drained = await traffic.wait_until_drained(10)
        await traffic.close()
        assert (drained.received, drained.answered) == (0.0, 0.0)

    play(scene)

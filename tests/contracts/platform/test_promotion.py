"""The canary becomes the stable release; the release before stays warm for an instant rollback."""

from __future__ import annotations

from typing import Any

from contracts.platform.scenes import with_canary
from contracts.platform.subjects import Subject


def test_the_canary_becomes_stable_and_the_release_before_stays_warm(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _old, new = await with_canary(subject, 100)
        await platform.promote()
        status = await platform.status()
        assert (status.roles.stable, status.roles.canary, status.roles.standby) == ("canary", None, "stable")
        assert status.is_ready("stable")
        assert await subject.ask(20) == {new.commit: 20}

    play(scene)


def test_promoting_again_changes_nothing(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, new = await with_canary(subject, 100)
        await platform.promote()
        before = (await platform.status()).roles
        await subject.platform().promote()
        assert (await platform.status()).roles == before
        assert await subject.ask(10) == {new.commit: 10}

    play(scene)


def test_the_standby_takes_all_traffic_back_at_once(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, _ = await with_canary(subject, 100)
        await platform.promote()
        await platform.route("stable", None, 0)
        assert await subject.ask(20) == {old.commit: 20}
        assert (await platform.status()).roles.standby is None

    play(scene)


def test_a_removed_standby_is_nobody_s_standby(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, new = await with_canary(subject, 100)
        await platform.promote()
        await platform.remove("stable")
        assert (await platform.status()).roles.standby is None
        assert await subject.ask(10) == {new.commit: 10}

    play(scene)

"""The end of an environment, and its beginning after that."""

from __future__ import annotations

from typing import Any

from contracts.platform.scenes import serving
from contracts.platform.subjects import SPEC, Subject


def test_nothing_runs_after_down_and_what_served_is_still_known(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        await platform.down(purge=False)
        status = await subject.platform().status()
        assert not status.running
        assert not status.is_ready("stable")
        assert (status.roles.stable, status.release_of("stable")) == ("stable", old.digest)
        await platform.down(purge=False)

    play(scene)


def test_an_environment_that_was_down_serves_again_what_it_served(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        await platform.down(purge=False)
        again = subject.platform()
        await again.prepare(SPEC)
        await again.deploy("stable", old)
        assert (await again.status()).is_ready("stable")
        assert await subject.ask(10) == {old.commit: 10}

    play(scene)


def test_a_purge_leaves_nothing(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _ = await serving(subject)
        await platform.down(purge=True)
        status = await subject.platform().status()
        assert (status.running, status.roles.stable, dict(status.deployments)) == (False, None, {})

    play(scene)

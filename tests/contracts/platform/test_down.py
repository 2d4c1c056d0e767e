"""The end of an environment, and its beginning after that."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.platform.scenes import serving, with_canary
from contracts.platform.subjects import Subject
from dawsos.platforms.faults import WireFault


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
        await again.prepare(subject.spec)
        await again.deploy("stable", old)
        assert (await again.status()).is_ready("stable")
        assert await subject.ask(10) == {old.commit: 10}

    play(scene)


def test_a_fault_does_not_outlive_a_purge(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 50)
        faults = platform.faults()
        if faults is None:
            pytest.skip("this platform injects no faults")
        await faults.set_fault(WireFault(status=500, share=0.5))
        await platform.down(purge=True)
        await with_canary(subject, 50)
        assert (await subject.ask(100))["error"] == 0

    play(scene)


def test_a_purge_leaves_nothing(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _ = await serving(subject)
        await platform.down(purge=True)
        status = await subject.platform().status()
        assert (status.running, status.roles.stable, dict(status.deployments)) == (False, None, {})

    play(scene)

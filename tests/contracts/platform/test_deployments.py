"""A release is run without traffic, found again, and removed."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.platform.scenes import prepared, serving
from contracts.platform.subjects import Subject
from dawsos.errors import ReleaseFailed


def test_a_deployment_is_ready_with_all_replicas_and_has_no_traffic(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        new = subject.release("new")
        await platform.deploy("next", new)
        status = await platform.status()
        found = status.deployments["next"]
        assert (found.release, found.replicas, found.ready_replicas) == (new.digest, 2, 2)
        assert found.ready
        assert status.release_of("stable") == old.digest
        assert await subject.ask(20) == {old.commit: 20}

    play(scene)


def test_the_same_deployment_again_changes_nothing(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        before = (await platform.status()).deployments
        await platform.prepare(subject.spec)
        await platform.deploy("stable", old)
        assert (await platform.status()).deployments == before
        assert await subject.ask(10) == {old.commit: 10}

    play(scene)


def test_a_release_that_does_not_start_is_the_release_s_fault_and_leaves_nothing(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform = await prepared(subject)
        broken = subject.release("broken", broken=True)
        name = broken.digest[:8]
        with pytest.raises(ReleaseFailed, match=r"ready|crashes"):
            await platform.deploy(name, broken)
        assert name not in (await platform.status()).deployments

    play(scene)


def test_a_removed_deployment_is_gone_and_may_be_removed_again(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        await platform.deploy("next", subject.release("new"))
        await platform.remove("next")
        await platform.remove("next")
        status = await platform.status()
        assert list(status.deployments) == ["stable"]
        assert not [process for process in status.processes if process.group == "next"]
        assert await subject.ask(10) == {old.commit: 10}

    play(scene)


def test_another_process_sees_the_same_environment(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _ = await serving(subject)
        assert await subject.platform().status() == await platform.status()

    play(scene)

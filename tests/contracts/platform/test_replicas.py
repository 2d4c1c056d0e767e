"""Each replica of one deployment can be asked itself, so that a canary is looked at before any user meets it."""

from __future__ import annotations

from typing import Any

from contracts.platform.scenes import with_canary
from contracts.platform.subjects import POLICY, SPEC, Subject
from dawsos.platforms.contract import Platform


async def _bodies(platform: Platform, deployment: str) -> list[str]:
    async with platform.replicas(deployment) as replicas:
        answers = [await one.ask("GET", "/", {"Host": "shop.example"}, None, 10.0) for one in replicas]
    assert {one.status for one in answers} <= {200}
    return [one.text for one in answers]


def test_each_replica_of_each_deployment_answers_itself(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, new = await with_canary(subject)
        replicas = SPEC.settings.replicas
        assert await _bodies(platform, "canary") == [new.commit] * replicas
        assert await _bodies(platform, "stable") == [old.commit] * replicas
        # A second time, and by another process.
        assert await _bodies(subject.platform(), "canary") == [new.commit] * replicas

    play(scene)


def test_a_replica_gets_one_request_after_another(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, new = await with_canary(subject)
        async with platform.replicas("canary") as replicas:
            for _ in range(3):
                assert (await replicas[0].ask("GET", "/", {}, None, 10.0)).text == new.commit
            assert (await replicas[0].ask("HEAD", "/", {}, None, 10.0)).body == b""

    play(scene)


def test_a_deployment_that_is_not_there_has_no_replicas(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject)
        assert await _bodies(platform, "nobody") == []
        await platform.route("stable", None, 0)
        await platform.remove("canary")
        assert await _bodies(platform, "canary") == []

    play(scene)


def test_what_is_asked_so_is_no_traffic_of_the_environment(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, _ = await with_canary(subject)
        telemetry = platform.telemetry(POLICY)
        await subject.ask(5)
        await telemetry.sample(0.0, 0)
        await _bodies(platform, "canary")
        assert await subject.ask(10) == {old.commit: 10}
        sample = await telemetry.sample(1.0, 0)
        await telemetry.close()
        assert (sample.canary.requests, sample.stable.requests) == (0, 10)

    play(scene)

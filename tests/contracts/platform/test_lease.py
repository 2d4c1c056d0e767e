"""A canary that no controller watches loses its traffic by itself."""

from __future__ import annotations

from typing import Any

from contracts.platform.scenes import with_canary
from contracts.platform.subjects import Subject


def test_the_traffic_goes_to_stable_when_the_lease_has_run_out(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, new = await with_canary(subject, 100)
        await platform.renew_lease(subject.lease)
        assert (await subject.ask(5))[new.commit] == 5
        for _ in range(40):
            await subject.wait(subject.lease / 4)
            if (await subject.ask(5))[old.commit] == 5:
                break
        assert await subject.ask(20) == {old.commit: 20}
        assert (await platform.status()).roles.weight == 0

    play(scene)


def test_the_status_shows_that_the_lease_has_run_out_also_when_nobody_asks_the_service(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 100)
        await platform.renew_lease(subject.lease)
        for _ in range(40):
            await subject.wait(subject.lease / 4)
            if (await platform.status()).roles.weight == 0:
                break
        roles = (await platform.status()).roles
        assert (roles.stable, roles.canary, roles.weight) == ("stable", "canary", 0)

    play(scene)


def test_a_renewed_lease_keeps_the_traffic(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, new = await with_canary(subject, 100)
        for _ in range(8):
            await platform.renew_lease(subject.lease)
            await subject.wait(subject.lease / 4)
        assert await subject.ask(10) == {new.commit: 10}

    play(scene)


def test_a_withdrawn_canary_has_no_traffic_and_stays(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, _ = await with_canary(subject, 100)
        await platform.withdraw()
        for _ in range(40):
            if (await subject.ask(5))[old.commit] == 5:
                break
            await subject.wait(0.05)
        assert await subject.ask(20) == {old.commit: 20}
        status = await platform.status()
        assert (status.roles.canary, status.roles.weight) == ("canary", 0)
        assert status.is_ready("canary")

    play(scene)

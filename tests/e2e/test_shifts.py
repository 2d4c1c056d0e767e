"""Weight shifts drop nothing, and neither does a canary that dies: real Envoy, real releases, real load."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dawsos.adapters.load import OpenLoopLoad
from dawsos.model.policy import CrashLoop, Load, LoadRequest
from dawsos.platforms.local.environment import Deployment, LocalEnvironment
from dawsos.platforms.local.state import read_desired
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.local.traffic import EnvoyTraffic
from e2e.clone import Clone

pytestmark = pytest.mark.e2e

SHIFTS = 120
RATE = 150.0


def _twin(folder: Path, stable: str) -> Deployment:
    """Return a second deployment of the stable release, as a canary of the same commit would be."""
    desired = read_desired(folder)
    model = desired.processes[f"{stable}.0"]
    env = {key: value for key, value in model.env.items() if key not in ("HOST", "PORT")}
    return Deployment("twin", desired.deployments[stable]["release"], model.argv, model.cwd, env)


@asynccontextmanager
async def canary_under_load(clone: Clone) -> AsyncIterator[tuple[LocalEnvironment, OpenLoopLoad]]:
    """Run a canary beside the stable release, with its lease renewed, and requests to both; take both away again."""
    platform = LocalEnvironment(clone.path / ".dawsos" / "environments" / "production", "production")
    stable = platform.roles().stable
    assert stable is not None
    await platform.deploy(_twin(platform.folder, stable))
    platform.renew_lease(300)
    await platform.route(stable=stable, canary="twin", weight=0)
    load = OpenLoopLoad(platform.status().url, Load(rate=RATE, requests=(LoadRequest(path="/health"),)))
    try:
        await load.start()
        yield platform, load
    finally:
        await load.stop()
        await platform.route(stable=stable, canary=None, weight=0)
        await platform.remove("twin")


async def reached(condition: Callable[[], Awaitable[bool]], what: str, within: float = 20.0) -> None:
    """Wait for ``condition``; fails with ``what`` after ``within`` seconds."""
    try:
        async with asyncio.timeout(within):
            while not await condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


def test_no_request_is_lost_by_a_hundred_and_twenty_shifts(shipped: Clone) -> None:
    chance = random.Random(20261125)

    async def shift() -> None:
        async with canary_under_load(shipped) as (platform, load):
            traffic, telemetry = EnvoyTraffic(platform.folder), EnvoyTelemetry(platform.folder, (), CrashLoop())
            await telemetry.sample(0, 0)
            canary = stable = 0
            for number in range(SHIFTS):
                weight = chance.choice([0, 5, 25, 45, 65, 85, 100])
                await traffic.set_weight(weight)
                # A few requests must go by at each weight, or the shift was not under load.
                target = load.sent + 5

                async def sent(target: int = target) -> bool:
                    return load.sent >= target

                await reached(sent, f"5 requests after shift {number}")
                seen = await telemetry.sample(number, weight)
                canary, stable = canary + seen.canary.requests, stable + seen.stable.requests
                assert seen.canary.errors == seen.stable.errors == 0
            await traffic.close()
            await telemetry.close()
            await load.stop()
            assert load.failed == 0, load.failures
            assert load.sent >= 5 * SHIFTS
            assert canary > 100
            assert stable > 100

    asyncio.run(shift())


def test_a_canary_that_is_killed_costs_only_what_it_had_in_its_hands(shipped: Clone) -> None:
    async def kill() -> None:
        async with canary_under_load(shipped) as (platform, load):
            traffic, telemetry = EnvoyTraffic(platform.folder), EnvoyTelemetry(platform.folder, (), CrashLoop())
            await traffic.set_weight(45)
            await telemetry.sample(0, 45)

            async def answered() -> bool:
                return (await telemetry.sample(0, 45)).canary.requests > 0

            await reached(answered, "the canary gets requests")
            before = load.in_flight
            platform.crash("twin")

            async def noticed() -> bool:
                return any(p.restarts for p in platform.status().processes if p.group == "twin")

            await reached(noticed, "the supervisor starts the canary again")

            async def back() -> bool:
                return platform.is_ready("twin")

            await reached(back, "the canary is ready again")
            await traffic.close()
            await telemetry.close()
            await load.stop()
            # A request of a safe method is tried again on the stable release, so none need fail; what was on its way is allowed.
            assert load.failed <= before, (load.failures, before)

    asyncio.run(kill())

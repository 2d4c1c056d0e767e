"""A fault is put before the canary's pods and taken back, also after a drill that was killed; a crash kills every pod once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Object
from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault
from dawsos.platforms.kubernetes.faults import KubernetesFaults
from dawsos.platforms.kubernetes.names import COMPONENT
from dawsos.platforms.kubernetes.routes import Route
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE, PATHS, RELEASE, MemoryCluster
from support.shop import CANARY, a_shop

POD, CONFIG = PATHS.of("pods", "shop-canary-fault"), PATHS.of("configmaps", "shop-canary-fault")
ORIGIN = PATHS.of("services", "shop-canary-fault-origin")


class FaultCluster(MemoryCluster):
    """A cluster whose pods of a fault get ready, when ``starts``."""

    starts = True

    async def create(self, path: str, body: Object) -> Object:
        if path == PATHS.of("services"):
            body = {**body, "spec": {**body["spec"], "clusterIP": "10.96.0.9"}}
        if path == PATHS.of("pods"):
            conditions = [{"type": "Ready", "status": "True"}] if self.starts else []
            body = {**body, "status": {"phase": "Pending", "conditions": conditions}}
        return await super().create(path, body)

    async def request(self, method: str, path: str, *, body: Any = None) -> bytes:
        assert (method, body) == ("DELETE", {"gracePeriodSeconds": 0})
        await self.delete(path)
        return b""


def play(scene: Callable[[FaultCluster, KubernetesFaults], Awaitable[None]]) -> None:
    made = a_shop(VirtualClock())
    made.__class__ = FaultCluster
    assert isinstance(made, FaultCluster)
    faults = KubernetesFaults(made, NAMESPACE, RELEASE, "tool", clock=made.clock)  # type: ignore[arg-type]
    asyncio.run(scene(made, faults))  # type: ignore[arg-type]


async def with_canary(made: MemoryCluster) -> Route:
    found = Route(made, NAMESPACE, RELEASE, clock=made.clock)  # type: ignore[arg-type]
    await found.assign("one", "two")
    await found.set_weight(25)
    return found


def left(made: MemoryCluster) -> list[str]:
    return [path for path in (POD, CONFIG, ORIGIN) if path in made.objects]


def test_a_fault_is_between_the_canary_s_service_and_its_pods() -> None:
    async def scene(made: FaultCluster, faults: KubernetesFaults) -> None:
        routes = await with_canary(made)
        await faults.set_fault(WireFault(status=500, share=0.05))
        assert made._endpoints("shop-canary") == ["shop-canary-fault"]
        assert made._endpoints("shop-canary-fault-origin") == ["two-0", "two-1"]
        assert '"address": "10.96.0.9"' in made.objects[CONFIG]["data"]["envoy.json"]
        assert await routes.read() == Roles("one", "two", None, 25)
        await faults.set_fault(WireFault(latency=2.0))
        assert "fixed_delay" in made.objects[CONFIG]["data"]["envoy.json"]
        await faults.clear()
        assert made._endpoints("shop-canary") == ["two-0", "two-1"]
        assert left(made) == []
        await faults.clear()

    play(scene)


def test_an_envoy_that_does_not_get_ready_is_taken_away_again() -> None:
    async def scene(made: FaultCluster, faults: KubernetesFaults) -> None:
        await with_canary(made)
        made.starts = False
        with pytest.raises(InfrastructureError, match="Envoy of the fault is not ready after 60 s: Pending"):
            await faults.set_fault(WireFault(status=500, share=0.05))
        assert made._endpoints("shop-canary") == ["two-0", "two-1"]
        assert left(made) == []

    play(scene)


def test_without_a_canary_there_is_nothing_to_inject_on() -> None:
    async def scene(made: FaultCluster, faults: KubernetesFaults) -> None:
        with pytest.raises(InfrastructureError, match="has no canary"):
            await faults.set_fault(WireFault(status=500, share=0.05))
        assert left(made) == []

    play(scene)


def test_the_next_canary_does_not_get_the_fault_of_a_killed_drill() -> None:
    async def scene(made: FaultCluster, faults: KubernetesFaults) -> None:
        routes = await with_canary(made)
        await faults.set_fault(WireFault(status=500, share=0.05))
        await routes.set_weight(0)
        await routes.assign("one", None)
        assert made.objects[CANARY]["spec"]["selector"][COMPONENT] == "backend"

    play(scene)


def test_a_crash_kills_every_pod_of_the_deployment_once() -> None:
    async def scene(made: FaultCluster, faults: KubernetesFaults) -> None:
        await with_canary(made)
        await faults.crash("two")
        assert made._endpoints("shop-canary") == []
        assert made._endpoints("shop-stable") == ["one-0", "one-1"]
        await faults.crash("two")

    play(scene)

"""The faults of a drill on this machine: Envoy alters answers or closes connections, signals kill, a parent's memory grows."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.platforms.faults import FaultKind, WireFault
from dawsos.platforms.local.environment import LocalEnvironment


@dataclass(frozen=True)
class LocalFaults:
    """Implements ``contract.FaultInjector``."""

    environment: LocalEnvironment
    able: frozenset[FaultKind] = frozenset({"answers", "connections", "memory", "processes"})

    async def set_fault(self, fault: WireFault) -> None:
        await self.environment.set_fault(fault)

    async def clear(self) -> None:
        await self.environment.set_fault(None)

    async def crash(self, deployment: str) -> None:
        self.environment.crash(deployment)

    async def grow(self, deployment: str) -> None:
        self.environment.let_grow(deployment)

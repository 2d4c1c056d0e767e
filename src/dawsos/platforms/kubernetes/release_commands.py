"""Runs a release's own commands, each with a connection of its own to the cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.errors import InfrastructureError
from dawsos.model.process import CommandOutcome
from dawsos.platforms.kubernetes.commands import JobCommands
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.target import Target
from dawsos.ports import Clock, Redactor

T = TypeVar("T")


@dataclass(frozen=True)
class ClusterCommands:
    """Implements ``contract.ReleaseCommands``.

    ``template`` returns the pod template of the deployment; ``env`` are variables besides those of the pod.
    """

    connection: Connection
    target: Target
    template: Callable[[Cluster], Awaitable[Object]]
    env: Mapping[str, str]
    clock: Clock
    redactor: Redactor

    async def run(self, command: str, log: Path, env: Mapping[str, str]) -> CommandOutcome:
        """Run ``command`` to its end; raises ReleaseFailed when the chart makes no pod for it."""

        async def work(commands: JobCommands) -> CommandOutcome:
            return await commands.run(command, log, env)

        try:
            return await self._with(work)
        except InfrastructureError as error:
            return CommandOutcome("infrastructure", None, 0.0, error.message)

    async def capture(self, command: str, log: Path, env: Mapping[str, str]) -> tuple[CommandOutcome, str]:
        """Run ``command`` and return what it printed."""

        async def work(commands: JobCommands) -> tuple[CommandOutcome, str]:
            return await commands.capture(command, log, env)

        try:
            return await self._with(work)
        except InfrastructureError as error:
            return CommandOutcome("infrastructure", None, 0.0, error.message), ""

    async def _with(self, work: Callable[[JobCommands], Awaitable[T]]) -> T:
        async with self.connection.open() as cluster:

            async def template() -> Object:
                return await self.template(cluster)

            target = self.target
            return await work(
                JobCommands(cluster, target.namespace, target.release, template, self.env, self.clock, self.redactor)
            )

"""The faults of a drill: how a person writes them, and how they are injected on the canary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import BadInput
from dawsos.model.pipeline import Service
from dawsos.model.units import parse_duration, parse_share
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.contract import FaultInjector
from dawsos.ports import Clock

NO_FAULT = "none"
# ``slow=3%``: the seconds that a slow request takes longer.
_STUCK = 5.0
_CRASH_EVERY = 0.5


@dataclass(frozen=True)
class Fault:
    """The fault of a drill: a share of errors or seconds of latency for a ``share`` of the requests (both below ``path``), a
    killed process, a job with a broken input, or none.  Without a fault the canary must be promoted.
    """

    name: str
    errors: float = 0.0
    latency: float = 0.0
    crash: bool = False
    job: str = ""
    share: float = 1.0
    path: str = "/"

    @property
    def injected(self) -> bool:
        """Whether the platform injects it; a broken job is a command of the service."""
        return bool(self.errors or self.latency or self.crash)


def parse_fault(text: str, service: Service) -> Fault:
    """Return the fault that ``text`` names; raises BadInput.

    ``errors=5%``, ``latency=2s`` and ``slow=3%`` (that share of the requests takes 5 s longer) may name a path
    (``errors=5%@/health``).  The others are ``crash``, ``none`` and the names of ``service.drills``.
    """
    name, _, rest = text.partition("=")
    value, _, path = rest.partition("@")
    try:
        fault = _on_the_wire(text, name, value, path or "/")
    except ValueError as error:
        raise BadInput(f"--fault {text}: {error}", fix="for example --fault errors=5% or --fault latency=2s") from error
    if fault is not None:
        return fault
    if text in ("crash", NO_FAULT):
        return Fault(text, crash=text == "crash")
    if text in service.drills:
        return Fault(text, job=text)
    known = ", ".join(["errors=SHARE", "latency=DURATION", "slow=SHARE", "crash", NO_FAULT, *service.drills])
    raise BadInput(f"unknown fault {text!r}; there are: {known}", fix="see dawsos drill --help")


def _on_the_wire(text: str, name: str, value: str, path: str) -> Fault | None:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not a path; write it like errors=5%@/health")
    if name == "errors":
        return Fault(text, errors=parse_share(value), path=path)
    if name == "latency":
        return Fault(text, latency=parse_duration(value), path=path)
    if name == "slow":
        return Fault(text, latency=_STUCK, share=parse_share(value), path=path)
    return None


@dataclass(frozen=True)
class Drill:
    """A fault with the means to inject it; ``injector`` is None when the platform has none."""

    fault: Fault
    injector: FaultInjector | None
    logs: Path

    def must_be_possible(self, environment: str) -> None:
        """Raise BadInput when the platform cannot inject the fault."""
        if self.fault.injected and self.injector is None:
            raise BadInput(
                f"the platform of {environment} cannot bring {self.fault.name} about",
                fix="drill a fault of the service's own (service.drills), or another environment",
            )

    async def cause(self, deployment: str, commands: ServiceCommands, clock: Clock, after: float) -> None:
        """Inject the fault once the canary has had ``after`` healthy seconds."""
        await clock.sleep(after)
        fault = self.fault
        if self.injector is not None and (fault.errors or fault.latency):
            await self.injector.set_fault(fault.errors, fault.latency, fault.share, fault.path)
        while self.injector is not None and fault.crash:
            await self.injector.crash(deployment)
            await clock.sleep(_CRASH_EVERY)
        if fault.job:
            drill = commands.service.drills[fault.job]
            job = commands.job(drill.job)
            await commands.run(job.run, self.logs / f"drill-{fault.job}.log", {**job.env, **drill.env})

    async def mend(self, commands: ServiceCommands) -> None:
        """Run the drill's job again with its proper input on the serving release, so that the drill leaves nothing broken."""
        if self.fault.job:
            job = commands.job(commands.service.drills[self.fault.job].job)
            await commands.must(job.run, self.logs / f"mend-{self.fault.job}.log", job.env)


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` and wait until it has ended."""
    task.cancel()
    await asyncio.wait([task])

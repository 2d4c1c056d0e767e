"""The faults of a drill: how a person writes them, and how they are injected on the canary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import BadInput
from dawsos.model.service import Service
from dawsos.model.units import parse_duration, parse_share
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.contract import FaultInjector
from dawsos.platforms.faults import FaultKind, WireFault
from dawsos.ports import Clock

NO_FAULT = "none"
# The seconds that a request takes longer: with ``slow=3%``, and with ``hang=2%``, which no proxy waits for.
_STUCK, _FOR_EVER = 5.0, 3600.0
# Every how many seconds processes are killed: with ``crash``, and with ``exit``.
_CRASH_EVERY, _EXIT_EVERY = 0.5, 20.0


@dataclass(frozen=True)
class Fault:
    """The fault of a drill: one on the wire, processes that are killed every ``dies`` seconds (0: never), memory that grows, a job
    with a broken input, or none.  Without a fault the canary must be promoted.
    """

    name: str
    wire: WireFault | None = None
    dies: float = 0.0
    grows: bool = False
    job: str = ""

    @property
    def kind(self) -> FaultKind | None:
        """What the platform must be able to do; None for a broken job, which is a command of the service, and for no fault."""
        if self.wire is not None:
            return self.wire.kind
        if self.grows:
            return "memory"
        return "processes" if self.dies else None


def _errors(value: str, path: str) -> WireFault:
    return WireFault(status=500, share=parse_share(value), path=path)


def _status(value: str, path: str) -> WireFault:
    code, _, share = value.partition(":")
    if not code.isdigit() or not 200 <= int(code) < 600:
        raise ValueError(f"{code!r} is no status from 200 to 599")
    return WireFault(status=int(code), share=parse_share(share) if share else 1.0, path=path)


def _latency(value: str, path: str) -> WireFault:
    return WireFault(latency=parse_duration(value), path=path)


def _slow(value: str, path: str) -> WireFault:
    return WireFault(latency=_STUCK, share=parse_share(value), path=path)


def _hang(value: str, path: str) -> WireFault:
    return WireFault(latency=_FOR_EVER, share=parse_share(value), path=path)


def _empty(value: str, path: str) -> WireFault:
    return WireFault(status=200, empty=True, share=parse_share(value or "100%"), path=path)


def _reset(value: str, path: str) -> WireFault:
    if path != "/":
        raise ValueError("a connection is closed whatever is asked on it: leave the path out")
    return WireFault(closed=True, share=parse_share(value))


_WIRE: dict[str, tuple[str, Callable[[str, str], WireFault]]] = {
    "errors": ("=SHARE", _errors),
    "status": ("=CODE[:SHARE]", _status),
    "latency": ("=DURATION", _latency),
    "slow": ("=SHARE", _slow),
    "hang": ("=SHARE", _hang),
    "empty": ("[=SHARE]", _empty),
    "reset": ("=SHARE", _reset),
}


def parse_fault(text: str, service: Service) -> Fault:
    """Return the fault that ``text`` names; raises BadInput.

    ``errors=5%`` (status 500), ``status=404`` or ``status=404:5%``, ``latency=2s``, ``slow=3%`` (that share of the requests takes 5 s
    longer), ``hang=2%`` (they are never answered) and ``empty`` or ``empty=5%`` (200 without a body) may name a path
    (``errors=5%@/health``); ``reset=5%`` closes connections without an answer.  The others are ``crash`` (again and again), ``exit``
    or ``exit=40s`` (every so often), ``memory`` (it grows), ``none`` and the names of ``service.drills``.
    """
    try:
        fault = _wire(text) or _process(text)
    except ValueError as error:
        raise BadInput(f"--fault {text}: {error}", fix="for example --fault errors=5% or --fault latency=2s") from error
    if fault is not None:
        return fault
    if text == NO_FAULT:
        return Fault(text)
    if text in service.drills:
        return Fault(text, job=text)
    wire = [f"{name}{value}" for name, (value, _) in _WIRE.items()]
    known = ", ".join([*wire, "crash", "exit[=DURATION]", "memory", NO_FAULT, *service.drills])
    raise BadInput(f"unknown fault {text!r}; there are: {known}", fix="see dawsos drill --help")


def _wire(text: str) -> Fault | None:
    told, _, path = text.partition("@")
    name, _, value = told.partition("=")
    if name not in _WIRE:
        return None
    if path and not path.startswith("/"):
        raise ValueError(f"{path!r} is not a path; write it like errors=5%@/health")
    return Fault(text, _WIRE[name][1](value, path or "/"))


def _process(text: str) -> Fault | None:
    name, told, value = text.partition("=")
    if text == "crash":
        return Fault(text, dies=_CRASH_EVERY)
    if text == "memory":
        return Fault(text, grows=True)
    return Fault(text, dies=parse_duration(value) if told else _EXIT_EVERY) if name == "exit" else None


@dataclass(frozen=True)
class Drill:
    """A fault with the means to inject it; ``injector`` is None when the platform has none."""

    fault: Fault
    injector: FaultInjector | None
    logs: Path

    def must_be_possible(self, environment: str) -> None:
        """Raise BadInput when the platform cannot inject the fault."""
        kind = self.fault.kind
        if kind is not None and (self.injector is None or kind not in self.injector.able):
            raise BadInput(
                f"the platform of {environment} cannot bring {self.fault.name} about",
                fix="drill another fault, one of the service's own (service.drills), or another environment",
            )

    async def prepare(self, deployment: str) -> None:
        """Bring about what must be there before ``deployment``, the canary, starts."""
        if self.injector is not None and self.fault.grows:
            await self.injector.grow(deployment)

    async def cause(self, deployment: str, commands: ServiceCommands, clock: Clock, after: float) -> None:
        """Inject the fault once the canary has had ``after`` healthy seconds."""
        await clock.sleep(after)
        fault = self.fault
        if self.injector is not None and fault.wire is not None:
            await self.injector.set_fault(fault.wire)
        while self.injector is not None and fault.dies:
            await self.injector.crash(deployment)
            await clock.sleep(fault.dies)
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

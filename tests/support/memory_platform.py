"""A platform in memory: deployments, roles and traffic are values, and everything happens at once.

It keeps the contract of ``dawsos.platforms.contract`` (tests/contracts/platform runs on it), so what is tested with it holds for
a real platform too.  What a real one has in files or in a cluster is ``MemoryEnvironment``: any number of platforms may be of
the same environment, as after a crash.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from dawsos.adapters.http import HttpError, Response
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.toolchain import base_environment
from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.policy import RolloutPolicy
from dawsos.model.process import CommandOutcome
from dawsos.model.release import Release
from dawsos.model.rollout import Counts, Drained, Sample
from dawsos.platforms.contract import (
    DeploymentStatus,
    EnvironmentSpec,
    EnvironmentStatus,
    PlatformHost,
    ProcessStatus,
    Roles,
)
from dawsos.platforms.faults import FaultKind, WireFault
from dawsos.platforms.local.commands import LocalCommands
from fakes import sample

URL = "http://127.0.0.1:7"
Script = Callable[[float, int], Sample]
# (release, ``GET /path``, headers) -> the answer; None when the connection is closed without one.
Pages = Callable[[Release, str, Mapping[str, str]], Response | None]


def healthy(at: float, weight: int) -> Sample:
    """Return a second in which nothing is wrong."""
    return sample(at, weight)


def erring(at: float, weight: int) -> Sample:
    """Return a second in which half of the canary's requests fail."""
    return sample(at, weight, canary=Counts(20, 10, ((0.1, 20), (float("inf"), 20))))


def commits(release: Release, _request: str, _headers: Mapping[str, str]) -> Response:
    """Answer every request with the commit."""
    return Response(200, {"content-type": "text/plain"}, release.commit.encode())


def says_so(release: Release, request: str, _headers: Mapping[str, str]) -> Response:
    """Answer the page of health as DawsOS does, and that of metrics with a counter."""
    said = {"status": "healthy", "version": release.commit} if request == "GET /health" else {"http_requests_total": 1}
    return Response(200, {"content-type": "application/json"}, json.dumps(said).encode())


@dataclass
class Kept:
    """A deployment as the environment keeps it; ``running`` is False after ``down``, ``crashes`` are those of every process."""

    release: Release
    replicas: int
    ports: dict[str, int]
    running: bool = True
    crashes: int = 0


@dataclass
class MemoryEnvironment:
    """What outlives a platform object.

    ``broken`` names deployments whose processes never become ready (``*`` for all), ``script`` says what a sample sees,
    ``weights`` what the proxy was told, in order; ``requests`` counts what each deployment answered.  ``pages`` is what replicas
    answer that are asked themselves, ``asked`` counts those requests by deployment; ``own_pages`` is what they say of themselves.
    """

    up: bool = False
    # What the environment needs and has not, in words.
    missing: str = ""
    deployments: dict[str, Kept] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)
    broken: set[str] = field(default_factory=set)
    script: Script = healthy
    weights: list[int] = field(default_factory=list)
    leases: list[float] = field(default_factory=list)
    # (weight, leases renewed so far) of every change of the weight.
    moves: list[tuple[int, int]] = field(default_factory=list)
    lease_until: float | None = None
    # The fault that was injected, and the canary that it is meant for.
    fault: WireFault | None = None
    faulty: str | None = None
    # Every fault that was injected, None where it was taken back.
    faults: list[WireFault | None] = field(default_factory=list)
    growing: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    pages: Pages = commits
    own_pages: Pages = says_so
    asked: Counter[str] = field(default_factory=Counter)
    turn: int = 0
    unconfirmed: int = 0
    next_port: count[int] = field(default_factory=lambda: count(7001))

    def error_share(self) -> float:
        """Return the share of the canary's requests for ``/`` that a fault answers with an error."""
        if self.fault is None or self.roles.canary != self.faulty or self.fault.path != "/":
            return 0.0
        return self.fault.share if self.fault.status >= 500 else 0.0


class MemoryPlatform:
    """Implements ``contract.Platform`` over a ``MemoryEnvironment``."""

    def __init__(self, host: PlatformHost, environment: MemoryEnvironment) -> None:
        self._host = host
        self.environment = environment
        self._spec: EnvironmentSpec | None = None

    @property
    def name(self) -> str:
        return self._host.name

    async def check(self) -> None:
        if self.environment.missing:
            raise BadInput(self.environment.missing, fix="get it")

    async def prepare(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self.environment.up = True
        for kept in self.environment.deployments.values():
            kept.running = True

    def _prepared(self) -> EnvironmentSpec:
        if self._spec is None:
            raise InfrastructureError(f"the environment {self.name} is not prepared")
        return self._spec

    # Deployments.

    async def deploy(self, deployment: str, release: Release) -> None:
        spec, environment = self._prepared(), self.environment
        if {deployment, "*"} & environment.broken:
            environment.deployments.pop(deployment, None)
            raise ReleaseFailed(f"{self.name}: {deployment} is not ready", fix="read its log")
        known = environment.deployments.get(deployment)
        names = [port for worker in spec.service.workers for port in worker.ports]
        ports = known.ports if known else {name: next(environment.next_port) for name in names}
        environment.deployments[deployment] = Kept(release, spec.settings.replicas, ports)

    async def remove(self, deployment: str) -> None:
        environment = self.environment
        environment.deployments.pop(deployment, None)
        if environment.roles.standby == deployment:
            environment.roles = replace(environment.roles, standby=None)

    def commands(self, deployment: str, release: Release) -> LocalCommands:
        """Return what really runs the release's commands; on paper are only the processes that serve."""
        kept = self.environment.deployments.get(deployment)
        variables = self._filled(kept.ports if kept else {})
        own = {"PYTHONPATH": str(release.site), "GIT_SHA": release.commit, "DEPLOYMENT_ID": deployment}
        runner = ProcessRunner(self._host.clock, self._host.redactor)
        self._host.folder.mkdir(parents=True, exist_ok=True)
        base = base_environment(self._host.folder)
        return LocalCommands(release, self._host.folder, {**base, **variables, **own}, runner)

    def _filled(self, ports: Mapping[str, int]) -> dict[str, str]:
        known = {name: str(port) for name, port in ports.items()}
        filled = {}
        spec = self._prepared()
        for key, value in {**spec.settings.env, **spec.given}.items():
            for name, port in known.items():
                value = value.replace(f"{{{name}}}", port)
            if "_PORT}" not in value:
                filled[key] = value
        return filled | known

    @asynccontextmanager
    async def replicas(self, deployment: str) -> AsyncIterator[tuple[MemoryReplica, ...]]:
        status = (await self.status()).deployments.get(deployment)
        yield tuple(MemoryReplica(self.environment, deployment) for _ in range(status.ready_replicas if status else 0))

    async def variables(self, deployment: str | None) -> Mapping[str, str]:
        kept = self.environment.deployments.get(deployment or "")
        return self._filled(kept.ports if kept else {})

    # Traffic.

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        environment = self.environment
        for name in (stable, canary):
            assert name is None or name in environment.deployments, f"{name} gets a role and is not deployed"
        before = environment.roles.standby
        standby = before if before not in (stable, canary) else None
        environment.roles = Roles(stable, canary, standby, weight)
        environment.weights.append(weight)
        environment.moves.append((weight, len(environment.leases)))

    async def promote(self) -> None:
        roles = self.environment.roles
        if roles.canary is not None:
            self.environment.roles = Roles(roles.canary, None, roles.stable, 0)

    async def withdraw(self) -> None:
        self._let_lease_run_out(at_once=True)

    async def renew_lease(self, seconds: float) -> None:
        self.environment.leases.append(seconds)
        self.environment.lease_until = self._host.clock.monotonic() + seconds

    def _let_lease_run_out(self, *, at_once: bool = False) -> None:
        """Take the traffic from a canary that nobody watches, as the supervisor of a real environment does."""
        environment = self.environment
        until = environment.lease_until
        over = at_once or until is None or self._host.clock.monotonic() > until
        if over and environment.roles.canary and environment.roles.weight:
            environment.roles = replace(environment.roles, weight=0)

    def ask(self, requests: int) -> Counter[str]:
        """Answer ``requests`` requests and return how many each release got, by its digest; failed ones are under ``error``."""
        self._let_lease_run_out()
        environment, answered = self.environment, Counter[str]()
        for _ in range(requests):
            environment.turn += 1
            roles = environment.roles
            # Evenly spread: of any hundred requests the canary gets its weight.
            to_canary = roles.canary and (environment.turn * 37) % 100 < roles.weight
            name = roles.canary if to_canary else roles.stable
            kept = environment.deployments.get(name or "")
            if name is None or kept is None or not kept.running:
                answered["error"] += 1
                continue
            environment.requests[name] += 1
            share = environment.error_share() if to_canary else 0.0
            if share and environment.requests[name] % round(1 / share) == 0:
                environment.failed[name] += 1
                answered["error"] += 1
            else:
                answered[kept.release.digest] += 1
        return answered

    def traffic(self) -> MemoryTraffic:
        return MemoryTraffic(self)

    def telemetry(self, policy: RolloutPolicy) -> MemoryTelemetry:
        return MemoryTelemetry(self, policy)

    def faults(self) -> MemoryFaults:
        return MemoryFaults(self.environment)

    # State.

    async def status(self) -> EnvironmentStatus:
        self._let_lease_run_out()
        environment = self.environment
        deployments = {name: self._deployment(name, kept) for name, kept in environment.deployments.items()}
        processes = tuple(
            ProcessStatus(f"{each.id}.{number}", each.id, 1, "ready" if number < each.ready_replicas else "dead")
            for each in deployments.values()
            for number in range(each.replicas)
        )
        url = URL if environment.up else ""
        return EnvironmentStatus(self.name, environment.up, url, environment.roles, deployments, processes)

    def _deployment(self, name: str, kept: Kept) -> DeploymentStatus:
        up = kept.running and not {name, "*"} & self.environment.broken
        ready = kept.replicas if up else 0
        return DeploymentStatus(name, kept.release.digest, kept.replicas, ready, restarts=kept.crashes * kept.replicas)

    async def down(self, *, purge: bool) -> None:
        environment = self.environment
        environment.up = False
        for kept in environment.deployments.values():
            kept.running = False
        if purge:
            environment.deployments.clear()
            environment.roles = Roles()
            environment.fault = environment.faulty = environment.lease_until = None


class MemoryTraffic:
    """Implements ``contract.Traffic``."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    async def set_weight(self, weight: int) -> float:
        environment = self._platform.environment
        if environment.unconfirmed:
            environment.unconfirmed -= 1
            raise InfrastructureError("the proxy does not answer")
        environment.roles = replace(environment.roles, weight=weight)
        environment.weights.append(weight)
        environment.moves.append((weight, len(environment.leases)))
        await asyncio.sleep(0)
        return 0.01

    async def wait_until_drained(self, deadline: float) -> Drained:
        if self._platform.environment.roles.canary is None:
            return Drained(0.0, 0.0)
        return Drained(0.02, 0.5)

    async def close(self) -> None: ...


class MemoryTelemetry:
    """Implements ``contract.Telemetry``: what was asked of the platform, or else what the script says."""

    def __init__(self, platform: MemoryPlatform, policy: RolloutPolicy) -> None:
        self._platform = platform
        self._crash_loop = policy.crash_loop.restarts
        self._asked: Counter[str] | None = None
        self._failed = Counter[str]()
        self._crashes = {name: kept.crashes for name, kept in platform.environment.deployments.items()}

    blind = ""

    async def sample(self, at: float, weight: int) -> Sample:
        environment = self._platform.environment
        if not environment.requests:
            return environment.script(at, weight)
        before, failed_before = self._asked, self._failed
        asked = self._asked = Counter(environment.requests)
        failed = self._failed = Counter(environment.failed)
        name = environment.roles.canary or ""
        kept = environment.deployments.get(name)
        crashes = kept.crashes - self._crashes.get(name, 0) if kept else 0
        restarts = crashes * kept.replicas if kept else 0
        base = Sample(at, 1.0, weight, restarts=restarts, crash_looping=crashes >= self._crash_loop)
        if before is None:
            # Nothing can be said of the time before the first look.
            return replace(base, complete=False)
        canary, stable = (
            Counts(asked[each] - before[each], failed[each] - failed_before[each])
            for each in (name, environment.roles.stable or "")
        )
        return replace(base, canary=canary, stable=stable)

    async def close(self) -> None: ...


@dataclass(frozen=True)
class MemoryReplica:
    """Implements ``contract.Replica``: it answers as ``pages`` of the environment says."""

    environment: MemoryEnvironment
    deployment: str

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, within: float
    ) -> Response:
        release = self.environment.deployments[self.deployment].release
        own = path in ("/health", "/metrics")
        if not own:
            self.environment.asked[self.deployment] += 1
        await asyncio.sleep(0)
        found = (self.environment.own_pages if own else self.environment.pages)(release, f"{method} {path}", headers)
        if found is None:
            raise HttpError("disconnected")
        return found if method != "HEAD" else replace(found, body=b"")


@dataclass(frozen=True)
class MemoryFaults:
    """Implements ``contract.FaultInjector``."""

    environment: MemoryEnvironment
    able: frozenset[FaultKind] = frozenset({"answers", "connections", "memory", "processes"})

    async def set_fault(self, fault: WireFault) -> None:
        if self.environment.roles.canary is None:
            return
        self.environment.fault = fault
        self.environment.faulty = self.environment.roles.canary
        self.environment.faults.append(fault)

    async def clear(self) -> None:
        if self.environment.fault is not None:
            self.environment.fault = None
            self.environment.faults.append(None)

    async def grow(self, deployment: str) -> None:
        self.environment.growing.append(deployment)

    async def crash(self, deployment: str) -> None:
        kept = self.environment.deployments.get(deployment)
        if kept is not None:
            self.environment.crashed.append(deployment)
            kept.crashes += 1


def outcome_of(text: str) -> CommandOutcome:
    """Return a command outcome for tests that script one."""
    return CommandOutcome("ok" if text == "ok" else "failed", 0 if text == "ok" else 1, 0.0)


def folder_of(home: Path, name: str) -> Path:
    """Return where a memory platform keeps files of the environment, for commands that really run."""
    return home / "environments" / name

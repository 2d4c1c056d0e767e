"""The contract of a platform: the calls that run releases and move traffic, whatever an environment runs on.

``PLATFORMS[settings.platform](host)`` makes the platform of one environment.  Every call that changes it is idempotent, because a
controller that was killed repeats it.  ``tests/contracts/platform`` is the suite that each platform must pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from dawsos.errors import InfrastructureError
from dawsos.model.process import CommandOutcome
from dawsos.model.release import Release
from dawsos.model.rollout import Drained, Sample
from dawsos.platforms.faults import FaultKind, WireFault
from dawsos.ports import Clock, Redactor, Runner

if TYPE_CHECKING:  # only named here; the supervisor, which needs the values of this module, starts without pydantic
    from dawsos.adapters.http import Response
    from dawsos.model.environment import EnvironmentSettings
    from dawsos.model.policy import RolloutPolicy
    from dawsos.model.service import Service


@dataclass(frozen=True)
class PlatformHost:
    """What a platform gets from the tool: the environment's name, folder and settings, and the ports to the world.

    ``root`` is the checkout whose files the settings name, such as a chart.
    """

    name: str
    folder: Path
    clock: Clock
    runner: Runner
    redactor: Redactor
    settings: EnvironmentSettings
    root: Path


@dataclass(frozen=True)
class StandInSource:
    """A stand-in that an environment wants: the folder ``source`` of its modules and the ``requirements`` of the toolchain below
    ``toolchains`` whose interpreter runs it, of the version ``python``.

    ``fresh`` is set by whoever deploys: the code of the checkout is what runs from then on.  Without it a stand-in that runs
    is left as it is.
    """

    name: str
    command: str
    source: Path
    requirements: Path
    toolchains: Path
    ports: tuple[str, ...] = ()
    ready: str | None = None
    fresh: bool = True
    python: str | None = None


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment has to provide: the service that runs there and the settings of pipeline.yaml.

    ``given`` are the variables of ``settings.pass_env`` with their values, ``stand_ins`` those of ``settings.stand_ins``.
    """

    service: Service
    settings: EnvironmentSettings
    given: Mapping[str, str] = field(default_factory=dict)
    stand_ins: tuple[StandInSource, ...] = ()


@dataclass(frozen=True)
class Roles:
    """The role of each deployment, and the canary's share of the traffic in per cent."""

    stable: str | None = None
    canary: str | None = None
    standby: str | None = None
    weight: int = 0


@dataclass(frozen=True)
class DeploymentStatus:
    """One deployment: how many of its replicas should run and are ready, and which of its other processes are not.

    ``restarts`` counts those within the crash-loop window.
    """

    id: str
    release: str
    replicas: int = 0
    ready_replicas: int = 0
    workers_not_ready: tuple[str, ...] = ()
    restarts: int = 0
    crash_looping: bool = False

    @property
    def ready(self) -> bool:
        """Whether every replica and every worker is ready."""
        return self.replicas > 0 and self.ready_replicas == self.replicas and not self.workers_not_ready


@dataclass(frozen=True)
class ProcessStatus:
    """One process or pod, for people; ``restarts`` are seconds since the epoch, ``address`` (host:port) is where a replica answers."""

    name: str
    group: str
    pid: int
    state: str
    restarts: tuple[float, ...] = ()
    crash_looping: bool = False
    address: str = ""


@dataclass(frozen=True)
class EnvironmentStatus:
    """An environment at one moment; ``running`` is False when nothing keeps it up, ``url`` is where it answers.

    ``notes`` are sentences about what was done to it beside this tool, ``kept`` the runs that it keeps for other machines.
    """

    name: str
    running: bool = False
    url: str = ""
    roles: Roles = Roles()
    deployments: Mapping[str, DeploymentStatus] = field(default_factory=dict)
    processes: tuple[ProcessStatus, ...] = ()
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def release_of(self, deployment: str | None) -> str:
        """Return the digest of the release that a deployment runs, an empty text when it is not known."""
        known = self.deployments.get(deployment or "")
        return known.release if known else ""

    def is_ready(self, deployment: str) -> bool:
        """Return whether a deployment is there and every process of it is ready."""
        known = self.deployments.get(deployment)
        return known is not None and known.ready


class NotFollowed(InfrastructureError):
    """Not every proxy has shown that it follows a weight above 0.  Who asks for the same weight again goes on waiting for it."""


class Traffic(Protocol):
    """The proxy or gateway in front of one environment, as the rollout controller moves it."""

    async def set_weight(self, weight: int) -> float:
        """Send ``weight`` per cent to the canary; return seconds until every proxy confirmed it.

        Raises NotFollowed when not every proxy has confirmed it yet, and InfrastructureError when nobody will."""
        ...

    async def wait_until_drained(self, deadline: float) -> Drained:
        """Wait, ``deadline`` seconds at most, until the canary has answered everything; return when its last came and went."""
        ...

    async def close(self) -> None: ...


class Telemetry(Protocol):
    """What the judge sees of one environment's traffic; ``blind`` says in a sentence what it cannot see, empty when it sees all."""

    @property
    def blind(self) -> str: ...

    async def sample(self, at: float, weight: int) -> Sample:
        """Return what happened since the last sample; one that is not ``complete`` when not every proxy could be read."""
        ...

    async def close(self) -> None: ...


class ReleaseCommands(Protocol):
    """Runs a release's own commands inside an environment, with the variables of one deployment."""

    async def run(self, command: str, log: Path, env: Mapping[str, str]) -> CommandOutcome:
        """Run ``command`` to its end; what it prints goes to ``log``, masked."""
        ...

    async def capture(self, command: str, log: Path, env: Mapping[str, str]) -> tuple[CommandOutcome, str]:
        """Run ``command`` and return its standard output as well, which no log gets: it may be a secret."""
        ...


class Replica(Protocol):
    """One replica of a deployment, which this process asks itself, past the proxy."""

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, within: float
    ) -> Response:
        """Send one request and return the answer, whatever its status; raises HttpError when there is none ``within`` seconds."""
        ...


class FaultInjector(Protocol):
    """Injects faults on the canary only, for a drill.  A platform may have none, or not every kind: ``able`` says which."""

    @property
    def able(self) -> frozenset[FaultKind]: ...

    async def set_fault(self, fault: WireFault) -> None:
        """Put ``fault`` on the wire of the canary, in place of the one that is there; does nothing without a canary."""
        ...

    async def clear(self) -> None:
        """Remove the faults; does nothing when there is none."""
        ...

    async def grow(self, deployment: str) -> None:
        """Let the memory of the replicas of ``deployment``, which does not run yet, grow from their start on."""
        ...

    async def crash(self, deployment: str) -> None:
        """Kill the deployment's processes once."""
        ...


@dataclass(frozen=True)
class KeptHead:
    """The newest that is kept of a run: its signed ``statement`` (an envelope) and the number of its parts."""

    run: str
    statement: str
    parts: int


class RolloutJournal(Protocol):
    """Keeps the journals of runs as numbered parts, each replaced as a whole, and one signed head for each run.

    Every call raises InfrastructureError when it cannot be done.
    """

    async def put(self, run: str, part: int, content: bytes) -> None:
        """Keep ``content`` as a part of the run, instead of what that part was."""
        ...

    async def put_head(self, head: KeptHead) -> None:
        """Say up to where the run is kept, once all of its parts are; runs that are long over are removed."""
        ...

    async def heads(self) -> tuple[KeptHead, ...]:
        """Return the runs that are kept, the newest first."""
        ...

    async def read(self, head: KeptHead) -> tuple[bytes, ...]:
        """Return the parts of a run in order."""
        ...

    async def claim(self) -> str:
        """Become the one who may conduct a rollout of the environment, for the moment until its platform does; return who does it
        instead, an empty text when nobody does.

        For a controller that may be dead it waits until that is known."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Handed:
    """What a job gets of a run, beside its journal, which is kept beside the environment.

    ``pack`` holds the files of ``commit`` as git keeps them, and the project lies in ``folder`` of it.  ``keys`` are the public keys
    (PEM) that the job is to believe.
    """

    run: str
    commit: str
    pack: bytes
    folder: str
    keys: str


@dataclass(frozen=True)
class JobState:
    """The newest job of a run: its name, an empty text when there is none; ``follow`` is a command that shows what it does."""

    name: str = ""
    state: Literal["none", "active", "ended"] = "none"
    follow: str = ""


class RolloutJobs(Protocol):
    """The jobs that conduct rollouts of one environment.  Every call raises InfrastructureError when it cannot be done."""

    async def check(self) -> str:
        """Try in a job whether one could conduct a rollout; return the public key (PEM) of what it would sign with.

        Raises BadInput with everything that is missing, and how to get it."""
        ...

    async def start(self, handed: Handed) -> JobState:
        """Start the job of a run and return once it works on it; raises InfrastructureError when it does not begin, without it."""
        ...

    async def find(self, run: str) -> JobState:
        """Return the newest job of a run."""
        ...

    def follow(self, run: str) -> AsyncIterator[str]:
        """Yield what the newest job of a run says, a line each, until it has ended."""
        ...

    async def end(self, run: str) -> None:
        """End the jobs of a run and wait until none works on it any more; raises InfrastructureError when one does not end."""
        ...

    async def close(self) -> None: ...


class Platform(Protocol):
    """One environment on a platform: it runs the releases there and gives them traffic."""

    @property
    def name(self) -> str: ...

    async def check(self) -> None:
        """Look whether all is there that an environment needs and this tool does not bring: programs, rights, a cluster.

        It changes nothing.  Raises BadInput with everything that is missing, and how to get it."""
        ...

    async def prepare(self, spec: EnvironmentSpec) -> None:
        """Start what the environment needs before any release (services, proxy); what runs already is kept.

        It comes before every other call that starts or runs something of a release.  Raises InfrastructureError.
        """
        ...

    async def deploy(self, deployment: str, release: Release) -> None:
        """Run ``release`` as ``deployment``, without traffic, and wait until it is ready.

        Raises ReleaseFailed with the log's end when it does not become ready; it is removed again then."""
        ...

    async def remove(self, deployment: str) -> None:
        """Stop a deployment that no route names any more, and take it from the proxies; does nothing when it is not there."""
        ...

    async def route(self, stable: str | None, canary: str | None, weight: int) -> None:
        """Set the roles and the canary's weight; returns when every proxy has confirmed.

        A standby that gets no new role stays.
        """
        ...

    async def promote(self) -> None:
        """Make the canary the stable release; the old stable one stays warm as standby, for an instant rollback."""
        ...

    async def withdraw(self) -> None:
        """Take the traffic from the canary without waiting for a confirmation, because no controller watches it any more."""
        ...

    async def renew_lease(self, seconds: float) -> None:
        """Renew the lease: a live controller watches the canary for ``seconds`` more.  When the lease ends, the platform itself
        takes the traffic from the canary.
        """
        ...

    async def status(self) -> EnvironmentStatus: ...

    def replicas(self, deployment: str) -> AbstractAsyncContextManager[Sequence[Replica]]:
        """Give the ready replicas of a deployment, as long as the context lasts; a deployment that is not there has none.

        Raises InfrastructureError when the way to a replica cannot be opened."""
        ...

    async def variables(self, deployment: str | None) -> Mapping[str, str]:
        """Return the variables of the environment with the ports of the deployment's workers, as steps and load get them."""
        ...

    def traffic(self) -> Traffic: ...

    def telemetry(self, policy: RolloutPolicy) -> Telemetry: ...

    def commands(self, deployment: str, release: Release) -> ReleaseCommands: ...

    def faults(self) -> FaultInjector | None: ...

    async def down(self, *, purge: bool) -> None:
        """Stop everything of the environment, also processes that no supervisor knows; ``purge`` deletes its data as well."""
        ...

"""The pipeline as written in ``pipeline.yaml``: stages, gates, service, rollout, SLOs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, InstanceOf, SerializeAsAny, model_validator

from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings, Identifier, ServiceName, StandIn
from dawsos.model.exports import Exports
from dawsos.model.policy import Compare, Load, RolloutPolicy, RolloutSettings, Strict, WarmUp
from dawsos.model.rollout import JudgeName
from dawsos.model.service import Service
from dawsos.model.units import Duration, PositiveDuration, Share
from dawsos.model.verdicts import GateKindName


def _input(value: str) -> str:
    # Paths are compared as git tells them.  What matches none of them would leave the stage restored whatever changes.
    if any(part in ("", ".", "..") for part in value.removeprefix("!").split("/")):
        raise ValueError(f"{value!r} matches no file: write it from the project's root, like src/** or !docs/**")
    return value


Input = Annotated[str, AfterValidator(_input)]


class Slo(Strict):
    """The service-level objectives, written once; gates and the rollout refer to them."""

    error_rate: Share
    warm_p95: PositiveDuration
    cold_p95: PositiveDuration


ProgramName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,59}$")]


class Toolchain(Strict):
    """What steps work with: a Python environment made from a hash-locked requirements file, programs of the machine, or both.

    Programs are looked for on the PATH of whoever starts the tool, before anything runs.
    """

    requirements: str | None = None
    python: str | None = Field(
        default=None,
        pattern=r"^3\.\d{1,2}$",
        description="The version of the Python that runs it, like 3.12, found on PATH. Default: that of the tool.",
    )
    programs: tuple[ProgramName, ...] = Field(default=(), description="Programs that the machine must have: node, go.")

    @model_validator(mode="after")
    def _consistent(self) -> Toolchain:
        if self.requirements is None and not self.programs:
            raise ValueError(
                "a toolchain has requirements (a hash-locked file of Python packages), or programs of the machine"
            )
        if self.python is not None and self.requirements is None:
            raise ValueError("python is the interpreter of requirements, and there are none")
        return self


class Step(Strict):
    """One command, run by ``sh -eu`` in the project's root.  ``repeat`` runs it so often with ``$REPEAT`` = 1, 2, ..."""

    run: str = Field(min_length=1)
    name: str = ""
    repeat: int = Field(default=1, ge=1, le=20)
    keep_going: bool = Field(default=False, description="Go on with the next step when this one fails.")
    judged_exits: tuple[Annotated[int, Field(ge=1, le=125)], ...] = Field(
        default=(),
        description="Exit codes that only say that something was found (1 of pytest, ruff, mypy): a gate on the evidence judges.",
    )


class Approval(Strict):
    """A person's yes over the digest of release and evidence, asked for once the stage's gates have passed."""

    role: str = "product owner"
    expires: PositiveDuration = 7 * 24 * 3600.0
    of: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), description="Who may; anybody when empty.")
    needed: int = Field(default=1, ge=1, description="How many different people must approve.")

    @model_validator(mode="after")
    def _consistent(self) -> Approval:
        if self.of and self.needed > len(set(self.of)):
            raise ValueError(
                f"needed is {self.needed} and of names only {len(set(self.of))}: nobody could ever approve"
            )
        return self


class Retry(Strict):
    """Infrastructure failures only: a failed test is never retried."""

    attempts: int = Field(default=2, ge=1, le=5)


class GateOptions(Strict):
    """The base of the options of every gate kind; each kind derives its own model."""


class Gate(Strict):
    """An exit criterion.  ``options`` is an instance of the kind's own model: what the file says was validated at load."""

    kind: GateKindName
    name: str
    options: SerializeAsAny[InstanceOf[GateOptions]]

    @property
    def written_options(self) -> dict[str, Any]:
        """The options that the file sets, without the defaults.  Fingerprints are made of them."""
        return self.options.model_dump(exclude_unset=True)


Uses = Literal["commands", "release", "deploy", "rollout"]


class Stage(Strict):
    """One stage.  ``uses`` is what carries it out: commands, the release builder, a deployment or a rollout."""

    id: Identifier
    title: str = ""
    needs: tuple[Identifier, ...] = ()
    uses: Uses = "commands"
    toolchain: Identifier | None = None
    inputs: tuple[Input, ...] = Field(default=(), description="Globs of the files that decide the result.")
    env: dict[str, str] = Field(default_factory=dict)
    pass_env: tuple[str, ...] = Field(default=(), description="Names of variables taken from the caller.")
    services: tuple[ServiceName, ...] = ()
    environment: Identifier | None = Field(default=None, description="One of ``environments``: the stage acts on it.")
    history: bool = Field(
        default=False, description="The commits decide too, not only the files: never restored for another commit."
    )
    budget: PositiveDuration = 600.0
    cpus: int = Field(default=1, ge=0, description="Cores the stage keeps busy; 0 for one that mostly waits.")
    steps: tuple[Step, ...] = ()
    gates: tuple[Gate, ...] = ()
    approval: Approval | None = None
    retry: Retry = Retry()
    hotfix_skips: bool = False

    @property
    def environment_name(self) -> str:
        """The stage's environment; raises ValueError when it has none, which ``_consistent`` refuses for deployments."""
        if self.environment is None:
            raise ValueError(f"the stage {self.id} has no environment")
        return self.environment

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        if self.uses == "commands" and not self.steps:
            raise ValueError("a stage that runs commands needs at least one step")
        if self.uses in ("deploy", "rollout") and self.environment is None:
            raise ValueError(f"a stage that uses {self.uses} needs an environment: one of environments")
        if any(step.judged_exits for step in self.steps) and all(gate.kind == "exit_status" for gate in self.gates):
            raise ValueError("judged_exits leaves it to a gate on the evidence to judge, and this stage has none")
        if not self.gates:
            raise ValueError("a stage needs at least one gate: a stage without an exit criterion proves nothing")
        return self


class Profile(Strict):
    """What differs for one kind of place, chosen with ``--profile``: seconds instead of minutes on a laptop, other
    settings of an environment."""

    environments: dict[Identifier, EnvironmentChanges] = Field(default_factory=dict)
    durations: tuple[PositiveDuration, ...] = ()
    tick: PositiveDuration | None = None
    judge: JudgeName | None = None
    check_interval: PositiveDuration | None = None
    shortest_fault: PositiveDuration | None = None
    shortest_step: PositiveDuration | None = None
    latency_tolerance: Duration | None = None
    warm_up: WarmUp | None = None
    baseline: Duration | None = None
    no_data_deadline: PositiveDuration | None = None
    min_requests: int | None = Field(default=None, ge=1)
    load: Load | None = None
    compare: Compare | None = None


class Signing(Strict):
    """Whether the key of a run is certified by sigstore, with the identity that a CI service gives the job, and whom to believe."""

    sigstore: Literal["off", "auto", "required"] = Field(
        default="off",
        description="auto: where there is an identity; required: production refuses a release whose run's key is not certified.",
    )
    identity: str | None = Field(default=None, min_length=1, description="The only one that is believed, exactly.")
    issuer: str | None = Field(default=None, min_length=1, description="Who must have vouched for the identity.")
    instance: str | None = Field(
        default=None, min_length=1, description="A client trust config of other sigstore servers than the public ones."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Signing:
        if (self.identity is None) != (self.issuer is None):
            raise ValueError("identity and issuer belong together: any issuer may call anybody by any name")
        if self.sigstore == "required" and self.identity is None:
            raise ValueError("required needs identity and issuer: a certificate made out to anybody proves nothing")
        return self


@dataclass(frozen=True)
class RolloutStage:
    """The stage that gives a release to the users, and the environment in which they are."""

    id: str
    environment: str


class Pipeline(Strict):
    """The whole file."""

    version: Literal[2]
    name: Identifier
    slo: Slo
    toolchains: dict[Identifier, Toolchain] = Field(default_factory=dict)
    service: Service
    stand_ins: dict[Identifier, StandIn] = Field(default_factory=dict)
    environments: dict[Identifier, EnvironmentSettings] = Field(default_factory=dict)
    signing: Signing = Signing()
    stages: tuple[Stage, ...] = Field(min_length=1)
    rollout: RolloutSettings
    profiles: dict[Identifier, Profile] = Field(default_factory=dict)
    exports: Exports = Exports()

    @property
    def service_name(self) -> str:
        """What monitoring calls the service: the pipeline's name with that of the first image, else of the service's folder."""
        part = (
            self.service.images[0].name if self.service.images else self.service.project.rstrip("/").rpartition("/")[2]
        )
        return self.name if part in ("", ".", self.name) else f"{self.name}-{part}"

    def is_production(self, environment: str) -> bool:
        """Return whether an environment has users: releases get there by a rollout, or it is called production."""
        return environment == "production" or any(
            stage.uses == "rollout" and stage.environment == environment for stage in self.stages
        )

    def stage(self, stage_id: str) -> Stage:
        """Return the stage called ``stage_id``; raises KeyError."""
        for stage in self.stages:
            if stage.id == stage_id:
                return stage
        raise KeyError(stage_id)

    def rollout_stage(self) -> RolloutStage:
        """Return the stage that uses ``rollout`` (a pipeline has one at most), else the last that uses ``deploy``.

        ``verify``, ``rollback`` and ``drill`` act on its environment.  Raises BadInput when no stage does either.
        """
        for use in ("rollout", "deploy"):
            for stage in reversed(self.stages):
                if stage.uses == use and stage.environment is not None:
                    return RolloutStage(stage.id, stage.environment)
        raise BadInput(
            "pipeline.yaml: no stage uses rollout or deploy, so no release gets to any users",
            fix="add a stage with uses: rollout and an environment; docs/pipeline-yaml.md",
        )

    def environment(self, name: str, profile: str | None = None) -> EnvironmentSettings:
        """Return the settings of an environment with what the profile changes; raises KeyError for an unknown name."""
        settings = self.environments[name]
        changes = self._profile(profile).environments.get(name)
        return settings if changes is None else settings.changed_by(changes)

    def runs_images(self, profile: str | None) -> bool:
        """Return whether some environment runs the images of a release with the profile: they are then kept with it.

        A profile that pipeline.yaml does not have, which an older run may have had, changes nothing.
        """
        known = profile if profile in self.profiles else None
        return any(self.environment(name, known).runs_images for name in self.environments)

    def policy(self, profile: str | None = None) -> RolloutPolicy:
        """Return the rollout policy with the profile's overrides; raises KeyError for an unknown profile."""
        chosen = self._profile(profile)
        changes: dict[str, Any] = {
            key: value for key, value in chosen if key not in ("durations", "environments") and value is not None
        }
        if chosen.durations:
            changes["ladder"] = tuple(
                step.model_copy(update={"duration": duration})
                for step, duration in zip(self.rollout.ladder, chosen.durations, strict=True)
            )
        limits: dict[str, Any] = {"error_rate": self.slo.error_rate, "p95": self.slo.warm_p95}
        limits["metrics"] = self.service.metrics_page
        # Each part was checked when the file was read; lint checks what they are together.
        return RolloutPolicy.model_construct(**{**dict(self.rollout), **changes, **limits})

    def _profile(self, name: str | None) -> Profile:
        """Return the profile; ``production``, like none, is the file as it is written."""
        return Profile() if name in (None, "", "production") else self.profiles[str(name)]

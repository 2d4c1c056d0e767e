"""How a release of the service is built and run, as written in ``pipeline.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from dawsos.model.environment import Identifier, PortName
from dawsos.model.policy import Strict
from dawsos.model.units import Duration, PositiveDuration


class Job(Strict):
    """A command of the release, run once in its environment, for example before it receives traffic."""

    name: Identifier
    run: str
    env: dict[str, str] = Field(default_factory=dict)


class Worker(Strict):
    """A further process of the release beside the replicas: a queue's worker, a sidecar.

    Each name in ``ports`` becomes a variable with a free port; all processes and commands of the deployment get it, and
    ``env`` of an environment may use it as ``{NAME}``.  The workers of a release that is only kept warm are stopped, unless
    ``keep_on_standby`` says that its replicas need them to answer.
    """

    name: Identifier
    command: str = Field(min_length=1)
    replicas: int = Field(default=1, ge=1, le=16)
    ports: tuple[PortName, ...] = ()
    ready: str | None = Field(default=None, description="A page on the first port that answers 200 when it can work.")
    keep_on_standby: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Worker:
        if self.ready is not None and not self.ports:
            raise ValueError("ready is a page on the first of ports: name one, for example WORKER_PORT")
        if self.ports and self.replicas > 1:
            raise ValueError("a worker with ports has one replica: two processes cannot listen on one port")
        return self


class Drill(Strict):
    """A fault for ``dawsos drill`` that only this service knows: a job of the release run with a broken input."""

    job: Identifier
    env: dict[str, str]


class Image(Strict):
    """A container image of the release.  ``base`` is pinned by digest, or was made on the machine (``localhost/...``)."""

    name: Identifier
    dockerfile: str
    base: str = Field(pattern=r"^(localhost/[a-z0-9./_-]+|[^@\s]+@sha256:[0-9a-f]{64})$")


class Build(Strict):
    """How the folder of a release is made of a project that is no Python package: a Node, Go or Java service, any program.

    ``run`` is a command for ``sh -eu`` in a copy of the project as it is in the commit; without it the files are taken as they are.
    ``folder`` is what it made there.
    """

    run: str | None = Field(default=None, min_length=1)
    folder: str = Field(default=".", min_length=1, description="Below the project; everything in it is the release.")

    @field_validator("folder")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError(f"{value!r} is not below the project: name a folder that the build makes, like dist")
        return value


class Service(Strict):
    """How a release is built and run: a Python package with ``requirements``, or anything that ``build`` makes a folder of.

    ``command``, ``migrate``, ``seed``, ``jobs`` and the others run with the packages of ``requirements``, where ``{python}`` is the
    interpreter.  A folder that was built is where they are started, in a copy, and may have such packages as well.  With ``shell``
    they are commands for ``sh -eu``.  Each process gets ``HOST`` and ``PORT``, and the addresses of the environment's services.
    """

    project: str
    requirements: str | None = Field(
        default=None, description="Hash-locked Python packages that the release brings along."
    )
    build: Build | None = Field(default=None, description="Makes the release of a project that is no Python package.")
    command: str
    shell: bool = Field(default=False, description="The commands are for sh -eu: $PORT is replaced there.")
    migrate: str | None = None
    seed: str | None = Field(default=None, description="Prints JSON; its values become variables for token and tests.")
    token: str | None = Field(default=None, description="Prints a bearer token for smoke tests and synthetic load.")
    builder: Literal["auto", "docker", "buildah", "bundle"] = "auto"
    images: tuple[Image, ...] = Field(default=(), description="Built beside the bundle, where there is a builder.")
    workers: tuple[Worker, ...] = Field(default=(), description="Further processes that come and go with the release.")
    jobs: tuple[Job, ...] = ()
    before_traffic: tuple[Identifier, ...] = Field(default=(), description="Jobs run by a canary before it is judged.")
    verify: tuple[Job, ...] = ()
    drills: dict[str, Drill] = Field(default_factory=dict)
    health: str = "/health"
    healthy: str = Field(
        default="healthy", description="The `status` in the JSON of the health page; any: a 200 is enough."
    )
    version: str = Field(
        default="health",
        pattern=r"^(health|none|/\S*|header [A-Za-z0-9-]+)$",
        description="Where a release names its commit: health (`version` in its JSON), a page, `header NAME`, or none.",
    )
    ready: str = "/health/ready"
    metrics: str | None = Field(
        default=None,
        description="The page with http_requests_total. Without it /metrics is looked at, if there is one.",
    )
    latest: str | None = Field(default=None, description="An authenticated page that must answer after deployment.")
    secrets: tuple[str, ...] = Field(default=(), description="Generated once per environment, kept with mode 0600.")
    folders: tuple[str, ...] = Field(
        default=(), description="Variables that name a folder of the environment, shared by its processes and kept."
    )
    ready_within: PositiveDuration = 60.0
    stop_grace: Duration = 5.0

    @model_validator(mode="after")
    def _consistent(self) -> Service:
        if self.build is None and self.requirements is None:
            raise ValueError(
                "a service has requirements, the hash-locked file of a Python project, or build, which makes its folder"
            )
        return self

    @property
    def metrics_page(self) -> str:
        """The page of metrics, which a service that declares none may not have."""
        return self.metrics or "/metrics"

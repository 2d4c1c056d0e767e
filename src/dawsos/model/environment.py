"""The settings of an environment in pipeline.yaml, and the changes of a profile to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dawsos.model.cluster import Delivery, Driver, Gateway, InCluster, KubernetesName
from dawsos.model.observability import Observability
from dawsos.model.policy import Strict, VariableName

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
PlatformName = Literal["local", "kubernetes"]
ServiceName = Literal["postgres", "redis"]
Replicas = Annotated[int, Field(ge=1, le=16)]
PortName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*_PORT$")]

# What only an environment on Kubernetes has.
KUBERNETES_KEYS = frozenset(
    ("context", "namespace", "release", "chart", "values", "url", "secret", "gateway", "images", "driver", "in_cluster")
)


class StandIn(Strict):
    """A process that plays an external service, for environments that have no contract with the real one.

    It belongs to the environment and not to a release: ``source`` is copied from the commit, and ``command`` runs with the
    modules of the copy and the packages of ``toolchain``.  Each name in ``ports`` becomes a variable with a port that the environment
    keeps; ``env`` of the environment may use it as ``{NAME}``.
    """

    source: str = Field(min_length=1, description="The folder of the commit that holds its modules or packages.")
    command: str = Field(min_length=1, description="`python` is the toolchain's interpreter.")
    toolchain: Identifier
    ports: tuple[PortName, ...] = ()
    ready: str | None = Field(default=None, description="A page on the first port that answers 200 when it can work.")

    @model_validator(mode="after")
    def _consistent(self) -> StandIn:
        if self.ready is not None and not self.ports:
            raise ValueError("ready is a page on the first of ports: name one, for example STANDIN_PORT")
        return self


class EnvironmentSettings(Strict):
    """One environment.  ``replicas`` is the number of processes that answer requests; ``env`` are the variables of all
    processes and commands of a release here, in which ``{NAME_PORT}`` is the port of a worker or a stand-in."""

    platform: PlatformName = Field(default="local", description="What the environment runs on.")
    replicas: Replicas = Field(default=2, description="Processes of a release that answer requests.")
    services: tuple[ServiceName, ...] = Field(default=(), description="Started with the environment, kept by it.")
    stand_ins: tuple[Identifier, ...] = Field(default=(), description="Those that run here: names of `stand_ins`.")
    env: dict[VariableName, str] = Field(default_factory=dict, description="Variables of everything that runs here.")
    pass_env: tuple[VariableName, ...] = Field(
        default=(), description="Names of variables taken from whoever ships, and never shown: keys of real providers."
    )
    observability: Observability = Field(
        default=Observability(), description="Where `verify` finds the metrics, traces, alerts and dashboards."
    )

    context: str | None = Field(default=None, min_length=1, description="Kubernetes: the context of the kubeconfig.")
    namespace: KubernetesName | None = Field(default=None, description="Kubernetes: where the objects are.")
    release: KubernetesName | None = Field(default=None, description="Kubernetes: the name of the Helm release.")
    chart: str | None = Field(default=None, min_length=1, description="Kubernetes: the folder of the chart.")
    values: tuple[str, ...] = Field(default=(), description="Kubernetes: files with values for the chart.")
    url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Kubernetes: where it answers; else the address of its gateway.",
    )
    secret: KubernetesName | None = Field(
        default=None, description="Kubernetes: a Secret of yours with its variables; else the tool keeps one."
    )
    gateway: Gateway = Field(default=Gateway(), description="Kubernetes: where the numbers of the traffic come from.")
    images: Delivery | None = Field(default=None, description="Kubernetes: how images get to the cluster.")
    driver: Driver = Field(default="dawsos", description="Kubernetes: who conducts a rollout.")
    in_cluster: InCluster | None = Field(default=None, description="Kubernetes: the Job of `ship --in-cluster`.")

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that the platform needs and that have no value."""
        if self.platform != "kubernetes":
            return ()
        needed = {"context": self.context, "namespace": self.namespace, "release": self.release, "chart": self.chart}
        return tuple(key for key, value in needed.items() if value is None)

    @property
    def foreign(self) -> tuple[str, ...]:
        """The keys that have a value and that the platform does not know."""
        return () if self.platform == "kubernetes" else tuple(sorted(KUBERNETES_KEYS & self.model_fields_set))

    def changed_by(self, changes: EnvironmentChanges) -> EnvironmentSettings:
        """Return the settings with what a profile says of this environment: ``env`` is merged, other keys replace."""
        given = {key: value for key, value in changes if value is not None}
        if changes.env is not None:
            given["env"] = {**self.env, **changes.env}
        return self.model_copy(update=given)

    @property
    def runs_images(self) -> bool:
        """Whether the images of a release run here, and not its files."""
        return self.platform == "kubernetes" and self.images is not None

    @property
    def for_releases(self) -> EnvironmentSettings:
        """The settings that decide how a release runs here; who watches it is no part of them."""
        return self.model_copy(update={"observability": Observability(), "in_cluster": None})


class EnvironmentChanges(Strict):
    """What a profile changes of one environment: ``env`` is merged, other keys replace."""

    platform: PlatformName | None = None
    replicas: Replicas | None = None
    services: tuple[ServiceName, ...] | None = None
    stand_ins: tuple[Identifier, ...] | None = None
    env: dict[VariableName, str] | None = None
    pass_env: tuple[VariableName, ...] | None = None
    observability: Observability | None = None
    context: str | None = Field(default=None, min_length=1)
    namespace: KubernetesName | None = None
    release: KubernetesName | None = None
    chart: str | None = Field(default=None, min_length=1)
    values: tuple[str, ...] | None = None
    url: str | None = Field(default=None, pattern=r"^https?://")
    secret: KubernetesName | None = None
    gateway: Gateway | None = None
    images: Delivery | None = None
    driver: Driver | None = None
    in_cluster: InCluster | None = None

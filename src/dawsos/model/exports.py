"""The section ``exports`` of pipeline.yaml: which files of other tools the project keeps, and what only they need to know."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from dawsos.model.environment import Identifier
from dawsos.model.policy import Strict, VariableName
from dawsos.model.units import Duration, PositiveDuration, Share

# Below the project's root.
_FOLDER = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"
# The name of a label, of Prometheus.
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]

ExporterName = Literal["github_actions", "gitlab_ci", "flagger", "alerts", "grafana"]


class ExportOptions(Strict):
    """The base of the options of every exporter; each derives its own model."""


# Texts that become part of a command or an expression: nothing in them may mean anything to a shell.
Plain = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./@:+-]+$")]
Folder = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]+$")]
Package = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9.!+_-]+$")]


class CiEnvironment(Strict):
    """An environment of pipeline.yaml as the CI service sees it."""

    runs_on: tuple[Plain, ...] = Field(default=(), description="Labels (GitLab: tags) of the runners that reach it.")
    url: str | None = Field(default=None, pattern=r"^https?://\S+$", description="Where people see it.")
    home: Folder | None = Field(default=None, description="The folder of those runners that keeps runs and releases.")


class CiOptions(ExportOptions):
    """What a CI service needs to know and no other key says."""

    branch: Plain = Field(default="main", description="A push to it is shipped.")
    profile: Identifier = Field(default="production", description="The profile of every job.")
    python: str = Field(default="3.12", pattern=r"^3\.\d+$")
    command: Plain = Field(
        default="dawsos", description="A command of the repository in place of the installed dawsos."
    )
    package: Package | None = Field(default=None, description="What pip installs; default: the version that exports.")
    requirements: Plain | None = Field(default=None, description="A hash-locked file to install in place of package.")
    environments: dict[Identifier, CiEnvironment] = Field(default_factory=dict)
    secrets: tuple[VariableName, ...] = Field(
        default=(), description="Variables of pass_env of stages that the CI service keeps as secrets."
    )

    @model_validator(mode="after")
    def _consistent(self) -> CiOptions:
        if self.package is not None and self.requirements is not None:
            raise ValueError("package and requirements both say what to install: write one of them")
        if self.command != "dawsos" and (self.package or self.requirements) is not None:
            raise ValueError(
                f"{self.command} is the tool, so nothing is installed: remove package and requirements, or command"
            )
        return self


class GithubActionsOptions(CiOptions):
    """GitHub Actions workflows."""

    runs_on: tuple[Plain, ...] = Field(default=("ubuntu-latest",), min_length=1, description="Labels of other jobs.")
    nightly: Annotated[str, Field(pattern=r"^[0-9*,/-]+( [0-9A-Za-z*,/-]+){4}$")] = Field(
        default="17 3 * * *", description="When production is verified, as cron writes it (UTC)."
    )
    sarif: bool = Field(default=True, description="Upload findings to code scanning.")


class GitlabCiOptions(CiOptions):
    """A GitLab CI pipeline."""

    image: Plain = Field(default="python:3.12", description="Container image of jobs on shared runners.")
    tags: tuple[Plain, ...] = Field(default=(), description="Tags of the runners of other jobs.")


FlaggerProvider = Literal["traefik", "gatewayapi:v1", "istio", "nginx"]

# A name of Kubernetes (RFC 1123), and one that is short enough for the names that Flagger makes of it.
KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)]
Port = Annotated[int, Field(ge=1, le=65535)]


class GatewayName(Strict):
    """A Gateway of the cluster: of the Gateway API, or of Istio."""

    name: KubernetesName
    namespace: KubernetesName


class FlaggerAlert(Strict):
    """Where Flagger tells of a rollback.  ``secret`` is a Secret in the Canary's namespace that holds the URL as ``address``."""

    type: Literal["slack", "msteams", "discord", "rocket", "gchat"] = "slack"
    secret: KubernetesName
    channel: str | None = None


class FlaggerOptions(ExportOptions):
    """Flagger's Canary and MetricTemplates."""

    providers: tuple[FlaggerProvider, ...] = Field(
        default=("gatewayapi:v1",), min_length=1, description="One file is made for each."
    )
    folder: str = Field(default="deploy/flagger", pattern=_FOLDER)
    profile: str | None = Field(default=None, description="The profile whose policy is exported; default: production.")
    deployment: KubernetesName | None = Field(
        default=None, description="Name of the Deployment; default: the pipeline's."
    )
    namespace: KubernetesName | None = Field(
        default=None,
        description="Default: the namespace of the environment of the stage that uses rollout, or its name.",
    )
    port: Port = Field(default=80, description="Port of the Service.")
    target_port: Port = Field(default=8000, description="Port on which a replica listens.")
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")], ...] = Field(
        default=(), description="Names under which users reach the service."
    )
    gateway: GatewayName | None = Field(default=None, description="For gatewayapi:v1 and istio.")
    route: bool = Field(
        default=True, description="Make the IngressRoute of traefik and the Ingress of nginx too; false: you have one."
    )
    prometheus: str = Field(default="http://prometheus.monitoring:9090", pattern=r"^https?://[^\s/]+(/\S*)?$")
    route_label: LabelName | None = Field(
        default="endpoint", description="Label of http_requests_total with the page, so that probes do not count."
    )
    restarts: Literal["process", "kube-state-metrics", "off"] = Field(
        default="process", description="Whose metric tells of a crash loop; off: only the progress deadline does."
    )
    alert: FlaggerAlert | None = None
    judge: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+$",
        description="Where `dawsos judge` answers Flagger; for gatewayapi:v1.",
    )


def _no_template(value: str) -> str:
    # Prometheus expands it in each alert: the exported tests, and those who look for the alert by its labels, expect what is written.
    if "{{" in value:
        raise ValueError(f"{value!r} is a template, and every alert has this text as it is written")
    return value


AlertText = Annotated[str, AfterValidator(_no_template)]


class AlertsOptions(ExportOptions):
    """Prometheus alert rules with their unit tests."""

    folder: str = Field(default="deploy/alerts", pattern=_FOLDER, description="Where rules and tests are written.")
    runbooks: AlertText = Field(
        default="docs/runbooks.md", min_length=1, description="The page of the runbooks, whole, as runbook_url begins."
    )
    labels: dict[LabelName, AlertText] = Field(default_factory=dict, description="Put on every alert, for its route.")
    pipeline_series: dict[LabelName, str] = Field(
        default_factory=dict, description="Labels of this project's series, where Prometheus scrapes several projects."
    )
    service_series: dict[LabelName, str] | None = Field(
        default=None, description="Labels of the service's series; by default the environment that has the users."
    )
    failure_rate: Annotated[Share, Field(lt=1)] = Field(
        default=0.1, description="The share of runs that may fail, in an hour and in the window."
    )
    failure_hold: Duration = Field(default=300.0, description="So long the hour's rate must be above it.")
    rollback_rate: Annotated[Share, Field(lt=1)] = Field(
        default=0.05, description="The share of rollouts that may be rolled back in the window."
    )
    window: Annotated[Duration, Field(ge=3600)] = Field(
        default=7 * 86400.0,
        description="The time over which rates of runs are counted, an hour or more: an increase needs two samples.",
    )
    min_runs: int = Field(default=10, ge=1, description="Fewer runs, or rollouts, in the window are no rate.")
    duration: Annotated[PositiveDuration, Field(lt=86400)] = Field(
        default=25 * 60.0, description="A ship should come to its rollout in this time."
    )
    approval: PositiveDuration = Field(default=4 * 3600.0, description="An approval should not wait longer.")
    waiver: PositiveDuration = Field(default=7 * 86400.0, description="So long before its end a waiver is told.")
    certificate: PositiveDuration = Field(default=14 * 86400.0, description="The same for a certificate.")
    certificates: bool = Field(default=False, description="Certificates are scraped: their absence is told too.")
    stale: PositiveDuration = Field(default=3 * 86400.0, description="A page of metrics that is older is stale.")
    min_requests: int | None = Field(
        default=None,
        ge=1,
        description="Fewer requests are low traffic; by default one error must not spend the budget.",
    )


class GrafanaOptions(ExportOptions):
    """Grafana dashboards.  The limits that no SLO gives, and the page of the runbooks, are those of the alerts."""

    folder: str = Field(default="deploy/grafana", pattern=_FOLDER, description="Where the dashboards lie.")
    endpoint: LabelName = Field(
        default="endpoint", description="The label by which the service's metrics tell one page from another."
    )


class Exports(Strict):
    """The exports that the project keeps: ``dawsos export`` writes them, and ``--check`` compares them."""

    github_actions: GithubActionsOptions | None = None
    gitlab_ci: GitlabCiOptions | None = None
    flagger: FlaggerOptions | None = None
    alerts: AlertsOptions | None = None
    grafana: GrafanaOptions | None = None

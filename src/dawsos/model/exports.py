"""The section ``exports`` of pipeline.yaml: which files of other tools the project keeps, and what only they need to know."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dawsos.model.policy import Strict
from dawsos.model.units import PositiveDuration

# Below the project's root.
_FOLDER = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"

ExporterName = Literal["github_actions", "gitlab_ci", "flagger", "alerts", "grafana"]


class ExportOptions(Strict):
    """The base of the options of every exporter; each derives its own model."""


class GithubActionsOptions(ExportOptions):
    """GitHub Actions workflows."""


class GitlabCiOptions(ExportOptions):
    """A GitLab CI pipeline."""


class FlaggerOptions(ExportOptions):
    """Flagger's Canary and MetricTemplates."""


class AlertsOptions(ExportOptions):
    """Prometheus alert rules with their unit tests."""


class GrafanaOptions(ExportOptions):
    """Grafana dashboards."""

    folder: str = Field(default="deploy/grafana", pattern=_FOLDER, description="Where the dashboards lie.")
    runbooks: str = Field(
        default="docs/runbooks.md", description="The page of the runbooks; panels link to a web address."
    )
    duration: PositiveDuration = Field(
        default=25 * 60.0, description="A ship should take no longer before its rollout begins."
    )


class Exports(Strict):
    """The exports that the project keeps: ``dawsos export`` writes them, and ``--check`` compares them."""

    github_actions: GithubActionsOptions | None = None
    gitlab_ci: GitlabCiOptions | None = None
    flagger: FlaggerOptions | None = None
    alerts: AlertsOptions | None = None
    grafana: GrafanaOptions | None = None

"""Every exporter by the name that pipeline.yaml gives it."""

from __future__ import annotations

from typing import Any

from dawsos.exporters import alerts, flagger, github_actions, gitlab_ci, grafana
from dawsos.exporters.contract import Exporter
from dawsos.model.exports import ExporterName

# A new exporter is one line here, one file beside this one and its options in ``model/exports.py``;
# ``tests/contracts/test_exporters.py`` runs on it.
EXPORTERS: dict[ExporterName, Exporter[Any]] = {
    "github_actions": github_actions.EXPORTER,
    "gitlab_ci": gitlab_ci.EXPORTER,
    "alerts": alerts.EXPORTER,
    "flagger": flagger.EXPORTER,
    "grafana": grafana.EXPORTER,
}

"""Grafana dashboards as classic JSON: the pipeline, the rollout and the service, with the limits that pipeline.yaml states."""

from __future__ import annotations

import json

from dawsos.exporters.contract import Exporter
from dawsos.exporters.grafana_panels import Runbook, document
from dawsos.exporters.grafana_pipeline import pipeline_board
from dawsos.exporters.grafana_traffic import rollout_board, service_board
from dawsos.exporters.text import header
from dawsos.model.exports import AlertsOptions, GrafanaOptions
from dawsos.model.pipeline import Pipeline


def render(pipeline: Pipeline, options: GrafanaOptions) -> dict[str, str]:
    """Return path -> JSON of the dashboards; a pipeline that deploys nothing has that of the pipeline only."""
    # Written once: what an alert tells is red in the dashboard.
    limits = pipeline.exports.alerts or AlertsOptions()
    boards = [pipeline_board(pipeline, limits)]
    if any(stage.uses in ("deploy", "rollout") for stage in pipeline.stages):
        boards += [rollout_board(pipeline, limits), service_board(pipeline, options)]
    runbook = Runbook(limits.runbooks)
    files = {}
    for board in boards:
        value = document(board, runbook)
        # JSON has no comments: the line that says who made the file is the end of the dashboard's description.
        value["description"] = f"{board.text} {header('grafana')}"
        files[f"{options.folder}/{board.name}.json"] = (
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
    return files


EXPORTER = Exporter(GrafanaOptions, render)

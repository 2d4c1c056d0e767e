"""The alert rules of DawsOS, of the same pipeline with something else in it, and of the tiny ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dawsos.exporters.alerts import render
from dawsos.exporters.alerts_pipeline import pipeline_rules
from dawsos.exporters.alerts_rule import Rule, Scope
from dawsos.exporters.alerts_service import service_rules
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load
from exporters.boards import ROOT, dawsos

# The folders whose file is refused hold no pipeline.
TINY = sorted(
    path.parent
    for path in (ROOT / "tests" / "pipelines").glob("*/pipeline.yaml")
    if path.parent.name not in ("cycle", "older", "unknown-gate")
)


def tiny(name: str) -> Pipeline:
    """Return the pipeline of ``tests/pipelines/NAME``."""
    return load(next(folder for folder in TINY if folder.name == name))


def with_slo(pipeline: Pipeline, **changes: Any) -> Pipeline:
    """Return the pipeline with other objectives, in the units of the model."""
    return pipeline.model_copy(update={"slo": pipeline.slo.model_copy(update=changes)})


def rules(pipeline: Pipeline | None = None, **options: Any) -> dict[str, Rule]:
    """Return the rules by name."""
    scope = Scope(pipeline or dawsos(), AlertsOptions(**options))
    return {rule.name: rule for rule in (*pipeline_rules(scope), *service_rules(scope))}


def written(pipeline: Pipeline | None = None, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the documents of the exported files by the names of the files."""
    files = render(pipeline or dawsos(), AlertsOptions(**options))
    return {Path(path).name: YAML(typ="safe").load(text) for path, text in files.items()}

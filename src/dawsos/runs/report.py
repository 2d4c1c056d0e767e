"""Writes a run's report from its state and its evidence."""

from __future__ import annotations

from pathlib import Path

from dawsos.adapters import git
from dawsos.adapters.files import tail, write_json, write_text
from dawsos.adapters.templates import kept_templates
from dawsos.analysis.measures import error_rate
from dawsos.errors import DawsosError
from dawsos.model.pipeline import Pipeline
from dawsos.model.rollout import Counts
from dawsos.model.run import Run
from dawsos.reporting.html import ReportContext, SloRow, render_html
from dawsos.reporting.objectives import objectives
from dawsos.reporting.sarif import sarif
from dawsos.runs.evidence import SHOWN_REPORT
from dawsos.runs.project import Tools

_TAIL = 60


def write_report(tools: Tools, pipeline: Pipeline, run: Run) -> Path:
    """Write the one-file report of ``run``, and its findings as SARIF beside it; return where the report lies."""
    path = tools.project.report(run.id)
    _write(tools, pipeline, run, path, "")
    places = [place for stage in run.stages.values() for gate in stage.gates for place in gate.places]
    write_json(tools.project.sarif(run.id), sarif(places))
    return path


def write_shown_report(tools: Tools, pipeline: Pipeline, run: Run, artifacts: Path) -> None:
    """Write the report that an approver is shown, and a copy of it beside the evidence of the stage, which is approved.

    The copy is written once: a waiting run that is resumed asks about the same bytes.
    """
    write_report(tools, pipeline, run)
    path = artifacts / SHOWN_REPORT
    if not path.exists():
        _write(tools, pipeline, run, path, "../../")


def _write(tools: Tools, pipeline: Pipeline, run: Run, path: Path, base: str) -> None:
    count, head = tools.journal.head(run.id)
    subject, author = _commit(tools, run)
    context = ReportContext(
        pipeline=pipeline.name,
        generated_at=tools.clock.now(),
        stages=tuple((s.id, s.title or s.id, s.budget) for s in pipeline.stages if s.id in run.stages),
        subject=subject,
        author=author,
        slo=_slo(pipeline, run),
        logs=_logs(tools, run),
        journal_head=head,
        event_count=count,
        urls={made.environment: made.url for made in run.deployments},
        evidence_base=base,
    )
    write_text(path, tools.masker.clean(render_html(run, context, kept_templates(tools.project.templates))))


def _commit(tools: Tools, run: Run) -> tuple[str, str]:
    try:
        commit = git.commit(tools.project.root, run.commit)
    except DawsosError:
        return "", ""
    return commit.subject, commit.author


def _logs(tools: Tools, run: Run) -> dict[str, str]:
    """Return stage -> the end of its newest logs."""
    tails = {}
    for stage in run.stages:
        folder = tools.project.run_folder(run.id) / stage
        # A step may leave a folder or a broken link with such a name.
        found = [path for path in folder.glob("attempt-*/*.log") if path.is_file()]
        logs = sorted(found, key=lambda path: path.stat().st_mtime)
        lines = [line for log in logs[-3:] for line in tail(log, _TAIL)]
        tails[stage] = tools.masker.clean("\n".join(lines[-_TAIL:]))
    return tails


def _slo(pipeline: Pipeline, run: Run) -> tuple[SloRow, ...]:
    """Return the objectives with what was measured, and by which stage."""
    rows = list(objectives(pipeline, run))
    if run.rollout is not None and run.rollout.samples:
        samples = [sample.canary for sample in run.rollout.samples]
        counts = Counts(sum(side.requests for side in samples), sum(side.errors for side in samples))
        rate = error_rate(counts)
        worst = max((side.p95 for side in samples if side.p95 is not None), default=None)
        if rate is not None:
            rows.append(
                SloRow(
                    "canary error rate",
                    f"<= {pipeline.slo.error_rate:.2%}",
                    f"{rate:.2%}",
                    "canary",
                    rate <= pipeline.slo.error_rate,
                )
            )
        if worst is not None:
            limit = pipeline.slo.warm_p95
            rows.append(SloRow("canary p95, worst tick", f"<= {limit:g} s", f"{worst:.3f} s", "canary", worst <= limit))
    return tuple(rows)

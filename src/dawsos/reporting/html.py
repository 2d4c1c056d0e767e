"""The report: one HTML page per run, complete in itself.  Pure: the run and its context in, a string out.

The page has no script and loads nothing; its own content security policy forbids both.  All text is escaped by the
template engine, and only ``http``, ``https`` and relative evidence paths become links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from dawsos.model.events import CheckResult
from dawsos.model.run import Run, StageRecord
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting import formatting, summary
from dawsos.reporting.gantt import Bar, gantt
from dawsos.reporting.html_canary import canary_view
from dawsos.reporting.series import last_weight

_LOG_LINES = 60


@dataclass(frozen=True)
class SloRow:
    """One objective: the limit, what was measured and where; ``met`` is None when it was not measured."""

    objective: str
    limit: str
    measured: str
    where: str
    met: bool | None = None


@dataclass(frozen=True)
class ReportContext:
    """What the page shows and the journal does not hold.

    ``stages`` has (id, title, budget in seconds) as the pipeline orders them; ``logs`` a stage's log tail; ``urls`` the
    address of each environment; ``evidence_base`` the path from the page to the run's folder, empty or ending in ``/``.
    """

    pipeline: str
    generated_at: float
    stages: tuple[tuple[str, str, float], ...] = ()
    subject: str = ""
    author: str = ""
    slo: tuple[SloRow, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    journal_head: str = ""
    event_count: int = 0
    urls: Mapping[str, str] = field(default_factory=dict)
    evidence_base: str = ""


def render_html(run: Run, context: ReportContext, compiled: BytecodeCache | None = None) -> str:
    """Return the page for ``run`` in whatever state it is; ``compiled`` keeps the compiled template from run to run."""
    return _template(compiled).render(view(run, context))


@lru_cache(maxsize=1)
def _template(compiled: BytecodeCache | None) -> Template:
    # Compiling it takes longer than rendering it, and a ship renders several times.
    environment = Environment(
        loader=PackageLoader("dawsos.reporting"),
        bytecode_cache=compiled,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def view(run: Run, context: ReportContext) -> dict[str, Any]:
    """Return everything the template shows, already in words."""
    infos = _infos(run, context)
    stages = [_stage(run.stages.get(key, StageRecord(key)), title, context) for key, title, _ in infos]
    return {
        "title": f"{context.pipeline} {formatting.short(run.commit, 8)} {formatting.words(run.state)}",
        "pipeline": formatting.clean(context.pipeline),
        "run": run,
        "result": formatting.words(run.state),
        "tone": formatting.look(run.state or "running").tone,
        "headline": summary.headline(run),
        "facts": _facts(run, context),
        "subject": formatting.one_line(context.subject),
        "links": [(formatting.one_line(name), formatting.one_line(url)) for name, url in context.urls.items()],
        "tiles": _tiles(run, context),
        "failures": [
            _failure(stage, gate, context) for stage in run.stages.values() for gate in stage.gates if not gate.passed
        ],
        "slo": context.slo,
        "remarks": summary.not_checked(run),
        "timeline": Markup(gantt([_bar(run, key, title, budget, context) for key, title, budget in infos])),  # noqa: S704 - charts escape
        "stages": stages,
        "canary": canary_view(run.rollout, context.generated_at) if run.rollout else None,
        "checks": [_check(check) for check in run.verified],
        "approvals": [_approval(record) for record in run.approvals],
        "asked": _asked(run),
        "commands": summary.next_commands(run),
        "journal": {"head": formatting.clean(context.journal_head), "events": context.event_count or run.last_seq},
        "generated": formatting.utc(context.generated_at),
        "look": formatting.look,
        "words": formatting.words,
        "clean": formatting.clean,
    }


def _infos(run: Run, context: ReportContext) -> list[tuple[str, str, float]]:
    """Return the run's stages in the pipeline's order; one that the pipeline does not know comes last."""
    known = [info for info in context.stages if info[0] in run.stages]
    named = {key for key, _, _ in known}
    return known + [(key, key, 0.0) for key in run.stages if key not in named]


def _seconds(run: Run, context: ReportContext) -> float | None:
    if not run.started_at:
        return None
    return max(0.0, (run.finished_at or context.generated_at) - run.started_at)


def _facts(run: Run, context: ReportContext) -> list[tuple[str, str]]:
    """Return the (label, text) pairs below the headline; what is not known is left out."""
    rollout = run.rollout
    traffic = {"synthetic": "synthetic load, declared in pipeline.yaml", "real": "real requests"}.get(
        rollout.traffic if rollout else "", ""
    )
    facts = [
        ("run", run.id),
        ("command", run.command),
        ("commit", formatting.short(run.commit)),
        ("branch", run.ref),
        ("author", context.author),
        ("started", formatting.utc(run.started_at) if run.started_at else ""),
        ("profile", run.profile),
        ("builder", f"{run.builder}: {run.builder_why}" if run.builder_why else run.builder),
        ("traffic", traffic),
        ("hotfix", str(run.options.get("hotfix") or "")),
    ]
    return [(label, formatting.one_line(value)) for label, value in facts if value]


def _tiles(run: Run, context: ReportContext) -> list[tuple[str, str, str, str]]:
    """Return (label, value, detail, tone) of the row of numbers."""
    done = sum(stage.done for stage in run.stages.values())
    restored = sum(stage.state == "restored" for stage in run.stages.values())
    passed, total = summary.gate_totals(run)
    tiles = [("Wall time", formatting.span(_seconds(run, context)), "" if run.finished_at else "so far", "")]
    if run.stages:
        tone = "" if done == len(run.stages) else "warn"
        tiles.append(
            ("Stages", f"{done} / {len(run.stages)}", f"{restored} from cache" if restored else "all run here", tone)
        )
    if total:
        tiles.append(("Gates passed", f"{passed} / {total}", "", "" if passed == total else "bad"))
    if run.release:
        tiles.append(
            (
                "Release",
                formatting.short(run.release, 8),
                formatting.size(run.release_bytes) if run.release_bytes else "",
                "mono",
            )
        )
    if run.rollout is not None:
        state = run.rollout.outcome or "running"
        reached = f"reached {last_weight(run.rollout)} %"
        tiles.append(("Canary", formatting.words(state), reached, formatting.look(state).tone))
        if run.rollout.outcome in ("rolled_back", "withdrawn"):
            tiles.append(("Rollback", formatting.span(run.rollout.rollback_seconds), "decision to last request", ""))
    return tiles


def _bar(run: Run, key: str, title: str, budget: float, context: ReportContext) -> Bar:
    stage = run.stages.get(key, StageRecord(key))
    start = None if stage.started_at is None else max(0.0, stage.started_at - run.started_at)
    end = start
    if start is not None:
        last = stage.finished_at or (context.generated_at if stage.state == "running" else stage.started_at)
        end = max(start, (last or 0.0) - run.started_at)
    note = "" if stage.state == "passed" else formatting.words(stage.state)
    if stage.state == "restored":
        note = f"restored from run {formatting.one_line(stage.from_run)}"
    elif stage.state == "pending":
        note = "not started"
    elif stage.state == "skipped":
        note = f"skipped: {formatting.one_line(stage.reason)}"
    seconds = stage.seconds if stage.seconds or stage.state != "running" else (end or 0.0) - (start or 0.0)
    tone = formatting.look(stage.state).tone
    return Bar(
        key, formatting.one_line(title), tone, start, end, seconds, budget, note, instant=stage.state == "restored"
    )


def _stage(stage: StageRecord, title: str, context: ReportContext) -> dict[str, Any]:
    lines = formatting.clean(context.logs.get(stage.id, "")).splitlines()
    return {
        "id": stage.id,
        "title": formatting.one_line(title),
        "state": stage.state,
        "open": stage.state in summary.BAD_STATES or any(not gate.passed for gate in stage.gates),
        "took": formatting.span(stage.seconds) if stage.seconds else "",
        "reason": formatting.one_line(stage.reason),
        "from_run": formatting.one_line(stage.from_run),
        "attempt": stage.attempt,
        "steps": [
            {"record": step, "took": formatting.span(step.seconds), "name": formatting.one_line(step.name)}
            for step in stage.steps
        ],
        "gates": [_gate(stage, gate, context) for gate in stage.gates],
        "brief": " · ".join(formatting.one_line(f"{gate.gate} {gate.measured}") for gate in stage.gates),
        "log": "\n".join(lines[-_LOG_LINES:]),
        "cut": max(0, len(lines) - _LOG_LINES),
        "fingerprint": formatting.short(stage.fingerprint),
    }


def _gate(stage: StageRecord, gate: GateVerdict, context: ReportContext) -> dict[str, Any]:
    attempt = 1 if stage.state == "restored" else max(1, stage.attempt)
    base = f"{context.evidence_base}{quote(stage.id)}/attempt-{attempt}/"
    return {
        "verdict": gate,
        "tone": "warn" if gate.passed and summary.doubtful(gate) else formatting.look(gate.result).tone,
        "evidence": [(formatting.one_line(name), base + quote(name.lstrip("/"))) for name in gate.evidence],
        "findings": [formatting.clean(finding) for finding in gate.findings],
    }


def _failure(stage: StageRecord, gate: GateVerdict, context: ReportContext) -> dict[str, Any]:
    return {"stage": stage.id, **_gate(stage, gate, context)}


def _check(check: CheckResult) -> dict[str, str]:
    return {key: formatting.one_line(getattr(check, key)) for key in ("name", "result", "measured", "limit")}


def _approval(record: Any) -> dict[str, str]:
    return {
        "stage": record.stage,
        "decision": record.decision,
        "name": formatting.one_line(record.name),
        "reason": formatting.clean(record.reason),
        "how": formatting.one_line(record.how),
        "digest": formatting.clean(record.digest),
        "at": formatting.utc(record.at),
    }


def _asked(run: Run) -> dict[str, str] | None:
    """Return the open request for an approval."""
    if not run.approval_requests or run.result != "waiting":
        return None
    request = run.approval_requests[-1]
    return {key: formatting.one_line(getattr(request, key)) for key in ("digest", "role", "subject", "stage")}

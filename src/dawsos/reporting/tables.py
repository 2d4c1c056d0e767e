"""A run as rich tables for a terminal.  Pure: values in, renderables out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dawsos.model.run import RolloutRecord, Run, StageRecord
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting import formatting, series, summary
from dawsos.reporting.comparison import comparison_lines
from dawsos.reporting.marks import STYLES, mark

# A window of samples for the numbers of the canary: one second alone jumps too much to read.
_WINDOW = 5.0
_FINDINGS = 12

Title = tuple[str, str, float]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=bool(columns), header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def heading(run: Run, now: float) -> Text:
    """Return the line above the stages: what runs, of which commit, for how long."""
    took = formatting.clock((run.finished_at or now) - run.started_at) if run.started_at else ""
    parts = [f"dawsos {run.command}", formatting.short(run.commit, 8), run.profile, took]
    return Text("  ".join(part for part in parts if part), style="bold")


def stage_table(run: Run, titles: Sequence[Title], now: float, *, ascii_only: bool = False) -> Table:
    """Return one line a stage: state, name, time against budget, and what is known of its gates."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for key, _title, budget in titles:
        stage = run.stages.get(key, StageRecord(key))
        style = "dim" if stage.state == "pending" else ""
        table.add_row(
            mark(stage.state, ascii_only=ascii_only), Text(key, style=style), _time(stage, budget, now), _detail(stage)
        )
    return table


def _time(stage: StageRecord, budget: float, now: float) -> Text:
    if stage.state == "pending":
        return Text(f"     / {formatting.clock(budget)}" if budget else "", style="dim")
    if stage.state in ("restored", "skipped"):
        return Text(formatting.words(stage.state), style="dim")
    spent = stage.seconds if stage.state != "running" else now - (stage.started_at or now)
    late = bool(budget) and spent > 0.8 * budget
    return Text(
        formatting.clock(spent) + (f" / {formatting.clock(budget)}" if budget else ""), style="yellow" if late else ""
    )


def _detail(stage: StageRecord) -> Text:
    red = next((gate for gate in stage.gates if not gate.passed), None)
    if red is not None:
        return Text(f"{formatting.one_line(red.gate)}: {summary.measured_against(red)}", style="red")
    if stage.state == "running":
        step = stage.steps[-1] if stage.steps else None
        done = _gates(stage)
        return done if done.plain else Text(formatting.one_line(step.name) if step else "", style="cyan")
    if stage.state in summary.BAD_STATES or stage.state in ("waiting", "skipped", "cancelled"):
        return Text(formatting.one_line(stage.reason), style=STYLES[formatting.look(stage.state).tone])
    return _gates(stage)


def _gates(stage: StageRecord) -> Text:
    text = Text()
    for gate in stage.gates:
        text.append("   " if text.plain else "")
        text.append(f"{formatting.one_line(gate.gate)} ", style="dim")
        text.append(formatting.one_line(gate.measured), style="yellow" if summary.doubtful(gate) else "")
    return text


def canary_lines(rollout: RolloutRecord, *, ascii_only: bool = False) -> RenderableType:
    """Return the canary block: weight, request rate, error rate and p95 of both versions, the verdict."""
    found = series.ticks(rollout)
    seen = series.window(found, _WINDOW)
    step = rollout.step if rollout.weight else 0
    ladder = " ".join(f"[{weight}]" if weight == (step or rollout.weight) else str(weight) for weight in rollout.ladder)
    top = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    bar = ProgressBar(total=100, completed=rollout.weight, width=24)
    top.add_row(Text(f"canary {rollout.weight:3} %", style="bold"), bar, Text(f"ladder {ladder}", style="dim"))
    numbers = _table("", "requests/s", "errors", "p95")
    if seen is not None:
        for name, side in (("canary", seen.canary), ("stable", seen.stable)):
            rate = seen.rate(side)
            numbers.add_row(
                name, f"{rate:.1f}" if rate is not None else formatting.NOTHING, formatting.percent(side.error_rate),
                formatting.latency(side.p95),
            )  # fmt: skip
        error_limit = formatting.percent(formatting.policy_number(rollout.policy, "error_rate"))
        numbers.add_row(
            "limit", "", error_limit, formatting.latency(formatting.policy_number(rollout.policy, "p95")), style="dim"
        )
    state = rollout.outcome or (found[-1].verdict if found else "no_data")
    reason = rollout.reason if rollout.outcome else (found[-1].reason if found else "waiting for the first sample")
    verdict = Text.assemble(
        mark(state, ascii_only=ascii_only), f" {formatting.words(state)}: {formatting.one_line(reason)}"
    )
    evidence = summary.evidence_text(rollout.samples[-1]) if rollout.samples else ""
    return (
        Group(top, numbers, verdict, Text(f"  {evidence}", style="dim")) if evidence else Group(top, numbers, verdict)
    )


def gate_lines(stage: str, gate: GateVerdict, *, ascii_only: bool = False) -> Text:
    """Return a gate that did not pass, whole: measured, limit, message, evidence, its findings."""
    title = f" {stage} · gate {formatting.one_line(gate.gate)}"
    text = Text.assemble(mark(gate.result, ascii_only=ascii_only), (title, "bold"))
    text.append(f": measured {formatting.one_line(gate.measured)}, limit {formatting.one_line(gate.limit)}")
    text.append(f"\n    {formatting.one_line(gate.message)}")
    for finding in gate.findings[:_FINDINGS]:
        text.append(f"\n      {formatting.one_line(finding)}")
    if len(gate.findings) > _FINDINGS:
        text.append(f"\n      and {len(gate.findings) - _FINDINGS} more in the report")
    if gate.evidence:
        text.append(f"\n    evidence: {', '.join(map(formatting.one_line, gate.evidence))}", style="dim")
    return text


def red_gates(run: Run, *, ascii_only: bool = False) -> list[Text]:
    """Return every gate of ``run`` that did not pass."""
    return [
        gate_lines(stage.id, gate, ascii_only=ascii_only)
        for stage in run.stages.values()
        for gate in stage.gates
        if not gate.passed
    ]


def summary_table(lines: Sequence[tuple[str, str]]) -> Table:
    """Return (label, text) lines as two columns."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in lines:
        # As Text: in a plain one, rich would take what stands in brackets for its markup.
        table.add_row(Text(label), Text(text))
    return table


def render_run(run: Run, titles: Sequence[Title] = (), *, ascii_only: bool = False) -> RenderableType:
    """Return one run whole, as ``dawsos show`` prints it."""
    listed = titles or [(stage, stage, 0.0) for stage in run.stages]
    parts: list[RenderableType] = [heading(run, run.finished_at or run.started_at), Text(summary.headline(run)), Text()]
    if listed:
        parts += [stage_table(run, listed, run.finished_at or run.started_at, ascii_only=ascii_only), Text()]
    if run.rollout is not None:
        if run.rollout.compared is not None:
            parts += [*comparison_lines(run.rollout.compared, ascii_only=ascii_only), Text()]
        parts += [canary_lines(run.rollout, ascii_only=ascii_only), Text()]
    parts += red_gates(run, ascii_only=ascii_only)
    remarks = [(remark.where, remark.what) for remark in summary.not_checked(run)]
    if remarks:
        parts += [Text("what was not checked", style="bold"), summary_table(remarks), Text()]
    approvals = [
        (record.decision, f"by {record.name} ({record.how}): {record.reason}, {formatting.utc(record.at)}")
        for record in run.approvals
    ]
    facts = [("started", formatting.utc(run.started_at)), ("release", formatting.short(run.release)), *approvals]
    parts.append(summary_table([(label, formatting.one_line(text)) for label, text in facts if text]))
    return Group(*parts)

"""What the reading verbs return, as rich tables.  Pure: values in, renderables out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dawsos.reporting import formatting
from dawsos.reporting.marks import mark

if TYPE_CHECKING:
    # For their types only: what makes these values need not be loaded to show them.
    from dawsos.analysis.simulation.contest import SimulationResult
    from dawsos.model.events import CheckResult
    from dawsos.model.plan import Plan
    from dawsos.model.run import Run
    from dawsos.provenance.verification import StatementCheck
    from dawsos.verbs.history import PastRun
    from dawsos.verbs.status import ShownEnvironment, Status, UnfinishedRun


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def history_table(runs: Sequence[PastRun], *, ascii_only: bool = False) -> RenderableType:
    """Return one line a run, the newest last."""
    if not runs:
        return Text("no run yet; dawsos ship starts the first")
    table = _table("", "run", "command", "release", "result", "took", "why")
    # Only the last column gives way: a long reason is cut, and not the run's id, which the other commands take.
    for column in table.columns[:-1]:
        column.no_wrap = True
    for run in runs:
        reason = Text(formatting.one_line(run.reason), no_wrap=True, overflow="ellipsis")
        table.add_row(
            mark(run.result, ascii_only=ascii_only), run.run, run.command, formatting.short(run.release, 8),
            formatting.words(run.result), formatting.clock(run.seconds), reason,
        )  # fmt: skip
    return table


_PLAN_STYLES = {"run": "cyan", "restore": "green", "skip": "yellow"}


def plan_table(plan: Plan, explain: bool) -> RenderableType:
    """Return what would run and why; with ``explain`` every input that changed."""
    table = _table("", "stage", "why")
    for planned in plan.stages:
        table.add_row(Text(planned.action, style=_PLAN_STYLES[planned.action]), planned.stage, Text(planned.reason))
        for change in planned.changes if explain else ():
            # A file may be called anything, also what would steer the terminal.
            table.add_row("", "", Text(formatting.clean(change), style="dim"))
    counted = Counter(planned.action.value for planned in plan.stages)
    tail = f"{formatting.count(counted['run'], 'stage')} to run, {counted['restore']} restored from the cache"
    if counted["skip"]:
        tail += f", {counted['skip']} skipped"
    hidden = not explain and any(planned.changes for planned in plan.stages)
    return Group(table, Text(tail + ("; --explain names the inputs that changed" if hidden else "")))


_TONES = {"good": "green", "warn": "yellow", "bad": "red"}


def verification_lines(checks: Sequence[CheckResult], counts: Mapping[str, int]) -> Iterator[Text]:
    """Yield one line a check, and one that counts them by their results."""
    width = max(len(formatting.words(check.result)) for check in checks)
    longest = max(len(formatting.one_line(check.name)) for check in checks)
    for check in checks:
        style = _TONES.get(formatting.look(check.result).tone, "")
        wanted = f"  (wanted {formatting.one_line(check.limit)})" if check.passed or check.failed else ""
        # A server that was asked may say anything, also what would steer the terminal.
        told = f"  {formatting.one_line(check.name):{longest}}  {formatting.one_line(check.measured)}{wanted}"
        yield Text.assemble((f"{formatting.words(check.result):{width}}", style), told)
    shown = [
        f"{amount} {formatting.words(result)}"
        for result, amount in counts.items()
        if amount or result in ("passed", "failed")
    ]
    yield Text(", ".join(shown))


def status_text(status: Status, *, ascii_only: bool = False) -> RenderableType:
    """Return what serves now, which processes run, which runs are unfinished."""
    parts: list[RenderableType] = []
    for environment in status.environments:
        parts += [*_environment(environment, ascii_only), Text()]
    if not parts:
        parts.append(Text("No release is deployed. `dawsos ship` deploys one."))
        parts += [Text()] if status.unfinished else []
    for run in status.unfinished:
        parts += _unfinished(run, ascii_only)
    return Group(*parts)


def _unfinished(run: UnfinishedRun, ascii_only: bool) -> list[RenderableType]:
    owner = f"owned by process {run.owner}" if run.owner else "nobody works on it"
    state = formatting.words(run.result) if run.result else "unfinished"
    line = Text.assemble(mark("waiting", ascii_only=ascii_only), f" run {run.run} ({run.command}): {state}, {owner}")
    return [line] if run.owner else [line, Text(f"    dawsos resume {run.run}")]


def _environment(environment: ShownEnvironment, ascii_only: bool) -> list[RenderableType]:
    state = "healthy" if environment.running else "pending"
    shares = {"stable": 100 - environment.weight, "canary": environment.weight}
    roles = ", ".join(
        f"{role} {formatting.short(release, 8)}" + (f" {shares[role]} %" if role in shares else "")
        for role, release in environment.roles.items()
    )
    text = f" {environment.name}  {environment.url}  {roles or 'no release'}"
    if not environment.running:
        text += "  (down)"
    parts: list[RenderableType] = [Text.assemble(mark(state, ascii_only=ascii_only), (text, "bold"))]
    parts += [Text(f"    {formatting.one_line(note)}", style="yellow") for note in environment.notes]
    table = _table("process", "pid", "state", "restarts")
    for process in environment.processes:
        style = "" if process.state == "ready" else "yellow"
        table.add_row(
            process.name, str(process.pid) if environment.platform == "local" else "", Text(process.state, style=style),
            f"{len(process.restarts)}{'  crash loop' if process.crash_looping else ''}",
        )  # fmt: skip
    return [*parts, table] if environment.processes else parts


def evidence_table(run: Run, statements: Iterable[StatementCheck]) -> Table:
    """Return one row a statement: what it is about, what it says, who signed it."""
    table = Table(
        title=f"release {formatting.short(run.release)} of commit {formatting.short(run.commit, 8)}, run {run.id}",
        title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for column in ("stage", "says", "gates", "evidence", "signed by", "statement"):
        table.add_column(column)
    for one in statements:
        predicate = one.predicate
        gates, files = predicate.get("gates", ()), predicate.get("evidence", {})
        cells = (
            one.stage, _says(one), str(len(gates)) if gates else "", f"{len(files)} files" if files else "",
            one.key_id[:12] or "nobody", one.name,
        )  # fmt: skip
        # As they are: rich would read what a person wrote in square brackets as markup, and fail at some of it.
        table.add_row(*map(Text, cells))
    return table


def _says(statement: StatementCheck) -> str:
    predicate = statement.predicate
    if predicate.get("identity"):
        return formatting.one_line(f"{statement.result}: {predicate['identity']} (issuer {predicate['issuer']})")
    if statement.result == "restored":
        return f"passed in run {formatting.one_line(predicate['restored']['run'])}"
    if predicate.get("name"):
        return f"{statement.result} by {formatting.one_line(predicate['name'])}: {formatting.one_line(predicate['reason'])}"
    if statement.result == "skipped":
        return formatting.one_line(f"skipped: {predicate.get('reason', '')}")
    return statement.result


def simulation_table(outcomes: Sequence[SimulationResult]) -> Table:
    """Return one row for each judge in each scenario: how often and when it rolled back, what that cost."""
    table = _table()
    for column in ("scenario", "judge"):
        table.add_column(column, no_wrap=True)
    for column in ("rolled back", "median", "p95", "failed requests", "promoted", "after", "undecided"):
        table.add_column(column, justify="right", no_wrap=True)
    before = ""
    for one in outcomes:
        table.add_row(
            one.scenario if one.scenario != before else "", one.judge, f"{one.rolled_back:.2%}", _seconds(one.median),
            _seconds(one.p95), f"{one.failed:,.1f}", f"{one.promoted:.1%}", _seconds(one.to_promote),
            f"{one.undecided:.1%}",
        )  # fmt: skip
        before = one.scenario
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} s"

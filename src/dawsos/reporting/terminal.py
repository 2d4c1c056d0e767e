"""The terminal reporter: a live table on a terminal, one line a fact everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from dawsos.model import events
from dawsos.model.events import Event
from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.ports import Clock
from dawsos.reporting import formatting, series, summary, tables
from dawsos.reporting.comparison import comparison_text
from dawsos.reporting.sarif import annotation

# Without a terminal the canary is reported when something changes, and at least every so many seconds.
_CANARY_EVERY = 10.0
# More than a service shows for one step anyway.
_ANNOTATIONS = 50


class TerminalReporter:
    """Implements ``ports.Reporter``.  ``titles`` are (id, title, budget in seconds) in the pipeline's order.

    ``annotate`` writes the findings of a red gate as workflow commands, which GitHub Actions shows beside the lines, past the
    console, whose other lines are none.
    """

    def __init__(
        self,
        titles: Sequence[tables.Title],
        console: Console,
        clock: Clock,
        live: bool,
        *,
        annotate: Callable[[str], object] | None = None,
    ) -> None:
        self._titles = titles
        self._console = console
        self._clock = clock
        self._live: Live | None = None
        self._wants_live = live
        self._annotate = annotate
        self._run = Run()
        self._told: tuple[float, int, str] = (0.0, -1, "")

    def notice(self, event: Event) -> None:
        """Take in one event and show it."""
        self._run = fold([event], self._run)
        if not self._wants_live:
            self._tell(event)
        elif self._live is None and not isinstance(event.fact, (events.ApprovalRequested, events.RunFinished)):
            self._live = Live(
                get_renderable=self._view, console=self._console, refresh_per_second=5, vertical_overflow="visible"
            )
            self._live.start()

    def suspend(self) -> None:
        """Leave the terminal to somebody who asks a question; the next event takes it back."""
        self._stop()

    def close(self) -> None:
        """Print how the run ended: each red gate whole, what was not checked, the summary."""
        self._stop()
        ascii_only = self._console.options.ascii_only
        for text in tables.red_gates(self._run, ascii_only=ascii_only):
            self._console.print(text, soft_wrap=True)
        self._console.print()
        remarks = [(remark.where, remark.what) for remark in summary.not_checked(self._run)]
        if remarks and self._run.result:
            self._console.print(Text("what was not checked", style="bold"))
            for where, what in remarks:
                self._console.print(Text.assemble(("  ", ""), (where, "yellow"), f"  {what}"), soft_wrap=True)
            self._console.print()
        for label, line in summary.summary(self._run, hints=False):
            self._console.print(Text.assemble((f"{label:9}", "dim"), formatting.clean(line)), soft_wrap=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _view(self) -> RenderableType:
        ascii_only = self._console.options.ascii_only
        now = self._clock.now()
        parts: list[RenderableType] = [tables.heading(self._run, now)]
        if self._titles:
            parts.append(tables.stage_table(self._run, self._titles, now, ascii_only=ascii_only))
        if self._run.rollout is not None:
            parts += [Text(), tables.canary_lines(self._run.rollout, ascii_only=ascii_only)]
        return Group(*parts)

    # Lines, for a log file or a CI service.

    def _tell(self, event: Event) -> None:
        fact = event.fact
        text = self._sample(event.at, fact) if isinstance(fact, events.RolloutSampled) else text_of(event)
        if text:
            at = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S")
            # On one line: in a CI log a line of its own could be a command to the service.
            self._console.print(f"{at}  {event.stage:12} {formatting.one_line(text)}", markup=False, soft_wrap=True)
        if self._annotate is not None and isinstance(fact, events.GateEvaluated) and not fact.verdict.passed:
            for place in fact.verdict.places[:_ANNOTATIONS]:
                self._annotate(formatting.one_line(annotation(place)))

    def _sample(self, at: float, sample: events.RolloutSampled) -> str:
        started = self._run.rollout.started_at if self._run.rollout else at
        tick = series.tick_of(replace(sample, recorded_at=at), started)
        told_at, weight, verdict = self._told
        if (tick.weight, tick.verdict) == (weight, verdict) and at - told_at < _CANARY_EVERY:
            return ""
        self._told = (at, tick.weight, tick.verdict)
        rate = tick.rate(tick.canary)
        numbers = f"{rate:.1f} requests/s, " if rate is not None else ""
        numbers += f"errors {formatting.percent(tick.canary.error_rate)}, p95 {formatting.latency(tick.canary.p95)}"
        return (
            f"canary {tick.weight} %: {numbers}; {formatting.words(tick.verdict)}: {formatting.one_line(tick.reason)}"
        )


def text_of(event: Event) -> str:
    """Return one event as a line of a log, an empty text for one that is not worth a line."""
    fact = event.fact
    tell = _LINES.get(type(fact))
    return tell(event, fact) if tell else ""


def _started_text(event: Event, fact: events.RunStarted) -> str:
    left = f"; {formatting.count(fact.dirty, 'changed file')} not committed and not shipped"
    text = f"{fact.command} {formatting.short(fact.commit, 8)} as run {event.run}"
    return text + (left if fact.command == "ship" and fact.dirty else "")


def _stage_text(_event: Event, fact: events.StageStarted) -> str:
    if fact.done:
        return "its evidence is there already; only its gates and its approval follow"
    return "started" + (f", attempt {fact.attempt}" if fact.attempt > 1 else "")


def _step_text(_event: Event, fact: events.StepFinished) -> str:
    if fact.classification in ("ok", "judged"):
        return ""
    return f"step {fact.name}: {fact.classification}, exit code {fact.exit_code}, {formatting.span(fact.seconds)}"


def _gate_text(_event: Event, fact: events.GateEvaluated) -> str:
    verdict = fact.verdict
    text = (
        f"gate {verdict.gate}: {formatting.words(verdict.result)}, measured {verdict.measured}, limit {verdict.limit}"
    )
    return text if verdict.passed else f"{text}: {formatting.one_line(verdict.message)}"


def _finished_text(_event: Event, fact: events.StageFinished) -> str:
    reason = f": {formatting.one_line(fact.reason)}" if fact.reason else ""
    return f"{formatting.words(fact.result)} in {formatting.span(fact.seconds)}{reason}"


def _built_text(_event: Event, fact: events.ReleaseBuilt) -> str:
    why = f" ({formatting.one_line(fact.why)})" if fact.why else ""
    return f"release {formatting.short(fact.release)}, {formatting.size(fact.bytes)}, {fact.builder}{why}"


def _rollout_text(_event: Event, fact: events.RolloutFinished) -> str:
    return f"rollout {formatting.words(fact.outcome)}{_shifted(fact.seconds)}"


def _shifted(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"; {formatting.span(seconds)} from the decision to the last request sent to the canary"


def _revert_text(_event: Event, fact: events.RevertStarted) -> str:
    return f"{fact.name} brings {fact.environment} back to release {formatting.short(fact.release)}: {fact.reason}"


_LINES: dict[type[events.Fact], Callable[[Event, Any], str]] = {
    events.RunStarted: _started_text,
    events.RunResumed: lambda event, _fact: f"resumed run {event.run}",
    events.RunStopped: lambda _event, fact: f"stopped by {fact.reason}",
    events.StageStarted: _stage_text,
    events.StepFinished: _step_text,
    events.GateEvaluated: _gate_text,
    events.StageRestored: lambda _event, fact: f"restored from run {fact.from_run}: inputs unchanged",
    events.StageFinished: _finished_text,
    events.StageSkipped: lambda _event, fact: f"skipped: {fact.reason}",
    events.FilesChanged: lambda _event, fact: summary.changed_files(fact),
    events.ReleaseBuilt: _built_text,
    events.Deployed: lambda _event, fact: f"{formatting.short(fact.release)} runs in {fact.environment}: {fact.url}",
    events.ApprovalRequested: lambda _event, fact: (
        f"the {fact.role} is asked to approve {formatting.short(fact.digest)}"
    ),
    events.ApprovalGiven: lambda _event, fact: f"{fact.decision} by {fact.name} ({fact.how}): {fact.reason}",
    events.RolloutStarted: lambda _event, fact: (
        f"rollout of {formatting.short(fact.release)}, {fact.traffic} traffic"
        + (f", drill {fact.drill}" if fact.drill else "")
    ),
    events.AnswersCompared: lambda _event, fact: comparison_text(fact),
    events.PowerEstimated: lambda _event, fact: "; ".join(
        [f"stable has {fact.rate:g} requests/s", *(f"warning: {warning}" for warning in fact.warnings)]
    ),
    events.WeightConfirmed: lambda _event, fact: f"canary at {fact.weight} %{summary.weight_change(fact.change)}",
    events.RollbackRequested: lambda _event, fact: f"{fact.name} asks for a rollback: {fact.reason}",
    events.RolloutDecided: lambda _event, fact: (
        f"decision: {formatting.words(fact.decision)}: {formatting.one_line(fact.reason)}"
    ),
    events.RolloutFinished: _rollout_text,
    events.RevertStarted: _revert_text,
    events.RevertFinished: lambda _event, fact: f"reverted{_shifted(fact.seconds)}",
}

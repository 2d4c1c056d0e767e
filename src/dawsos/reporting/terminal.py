"""What a person sees while a run goes on: a live table on a terminal, one line a fact everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from dawsos.model.events import Event
from dawsos.model.fold import fold, verdict_from
from dawsos.model.run import Run
from dawsos.ports import Clock
from dawsos.reporting import formatting as words
from dawsos.reporting import series, tables
from dawsos.reporting import summary as story
from dawsos.reporting.sarif import annotation

# Without a terminal the canary is reported when something changes, and at least so often (seconds).
_CANARY_EVERY = 10.0
# More than a service shows for one step anyway.
_ANNOTATIONS = 50


class TerminalReporter:
    """Implements ``ports.Reporter``.  ``titles`` are (id, title, budget in seconds) in the pipeline's order.

    ``annotate`` prints the findings of a red gate as workflow commands, which GitHub Actions shows beside the lines.
    """

    def __init__(
        self, titles: Sequence[tables.Title], console: Console, clock: Clock, live: bool, *, annotate: bool = False
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
        elif self._live is None and event.kind not in ("approval_requested", "run_finished"):
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
        remarks = [(remark.where, remark.what) for remark in story.not_checked(self._run)]
        if remarks and self._run.result:
            self._console.print(Text("what was not checked", style="bold"))
            for where, what in remarks:
                self._console.print(Text.assemble(("  ", ""), (where, "yellow"), f"  {what}"), soft_wrap=True)
            self._console.print()
        for label, line in story.summary(self._run, hints=False):
            self._console.print(Text.assemble((f"{label:9}", "dim"), words.clean(line)), soft_wrap=True)

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
        teller = _TELLERS.get(event.kind)
        text = self._sample(event) if event.kind == "rollout_sampled" else teller(event) if teller else ""
        if text:
            at = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S")
            # On one line: in a CI log a line of its own could be a command to the service.
            self._console.print(f"{at}  {event.stage:12} {words.one_line(text)}", markup=False, soft_wrap=True)
        if self._annotate and event.kind == "gate_evaluated" and event.body["result"] != "pass":
            for place in verdict_from(event.body).places[:_ANNOTATIONS]:
                self._console.print(words.clean(annotation(place)), markup=False, soft_wrap=True, highlight=False)

    def _sample(self, event: Event) -> str:
        started = self._run.rollout.started_at if self._run.rollout else event.at
        tick = series.tick_of({**event.body, "recorded_at": event.at}, started)
        told_at, weight, verdict = self._told
        if (tick.weight, tick.verdict) == (weight, verdict) and event.at - told_at < _CANARY_EVERY:
            return ""
        self._told = (event.at, tick.weight, tick.verdict)
        rate = tick.rate(tick.canary)
        numbers = f"{rate:.1f} requests/s, " if rate is not None else ""
        numbers += f"errors {words.percent(tick.canary.error_rate)}, p95 {words.latency(tick.canary.p95)}"
        return f"canary {tick.weight} %: {numbers}; {words.words(tick.verdict)}: {words.one_line(tick.reason)}"


def _gate_text(event: Event) -> str:
    body = event.body
    text = f"gate {body['gate']}: {words.words(body['result'])}, measured {body['measured']}, limit {body['limit']}"
    return text if body["result"] == "pass" else f"{text}: {words.one_line(body['message'])}"


def _finished_text(event: Event) -> str:
    body = event.body
    reason = f": {words.one_line(body['reason'])}" if body.get("reason") else ""
    return f"{words.words(body['result'])} in {words.span(body.get('seconds'))}{reason}"


def _step_text(event: Event) -> str:
    body = event.body
    if body["classification"] in ("ok", "judged"):
        return ""
    return (
        f"step {body['name']}: {body['classification']}, exit code {body['exit_code']}, {words.span(body['seconds'])}"
    )


def _rollout_text(event: Event) -> str:
    body = event.body
    text = f"rollout {words.words(body['outcome'])}"
    if body.get("seconds") is not None:
        text += f"; {words.span(body['seconds'])} from the decision to the last request sent to the canary"
    return text


def _left_behind(event: Event) -> bool:
    return event.body["command"] == "ship" and bool(event.body.get("dirty"))


_TELLERS = {
    "run_started": lambda e: (
        f"{e.body['command']} {words.short(e.body.get('commit', ''), 8)} as run {e.run}"
        + (f"; {words.count(e.body['dirty'], 'changed file')} not committed and not shipped" if _left_behind(e) else "")
    ),
    "run_resumed": lambda e: f"resumed run {e.run}",
    "stage_started": lambda e: (
        "its evidence is there already; gates and approval are asked"
        if e.body.get("done")
        else "started" + (f", attempt {e.body['attempt']}" if e.body.get("attempt", 1) > 1 else "")
    ),
    "step_finished": _step_text,
    "gate_evaluated": _gate_text,
    "stage_restored": lambda e: f"restored from run {e.body['from_run']}: inputs unchanged",
    "stage_finished": _finished_text,
    "stage_skipped": lambda e: f"skipped: {e.body['reason']}",
    "files_changed": lambda e: story.changed_files(e.body),
    "release_built": lambda e: (
        f"release {words.short(e.body['release'])}, {words.size(e.body['bytes'])}, {e.body['builder']}"
        + (f" ({words.one_line(e.body['why'])})" if e.body.get("why") else "")
    ),
    "deployed": lambda e: f"{words.short(e.body['release'])} runs in {e.body['environment']}: {e.body['url']}",
    "approval_requested": lambda e: f"the {e.body['role']} is asked to approve {words.short(e.body['digest'])}",
    "approval_given": lambda e: f"{e.body['decision']} by {e.body['name']} ({e.body['how']}): {e.body['reason']}",
    "rollout_started": lambda e: (
        f"rollout of {words.short(e.body['release'])}, {e.body['traffic']} traffic"
        + (f", drill {e.body['drill']}" if e.body.get("drill") else "")
    ),
    "power_estimated": lambda e: "; ".join(
        [f"stable has {e.body['rate']:g} requests/s", *(f"warning: {warning}" for warning in e.body["warnings"])]
    ),
    "weight_confirmed": lambda e: f"canary at {e.body['weight']} %{story.dimming_note(e.body.get('why', ''))}",
    "rollback_requested": lambda e: f"{e.body['name']} asks for a rollback: {e.body['reason']}",
    "rollout_decided": lambda e: f"decision: {words.words(e.body['decision'])}: {words.one_line(e.body['reason'])}",
    "rollout_finished": _rollout_text,
}

"""One suite over the reporters: any run, any beginning of one, told event by event, never an exception, never a call back."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dawsos.model.events import Event
from dawsos.model.fold import fold
from dawsos.ports import Reporter
from dawsos.reporting.html import ReportContext, render_html
from dawsos.reporting.record import run_to_json
from dawsos.reporting.step_summary import StepSummary
from dawsos.reporting.tables import render_run
from dawsos.reporting.terminal import TerminalReporter
from fakes import VirtualClock
from model.test_fold import ANY_EVENT
from reporting.sample_runs import STAGES, START, Script, failed, passed, rolled_back, running, waiting


def _console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=terminal, legacy_windows=False)


REPORTERS: dict[str, Callable[[], Reporter]] = {
    "lines": lambda: TerminalReporter(STAGES, _console(False), VirtualClock(START), False),
    "live": lambda: TerminalReporter(STAGES, _console(True), VirtualClock(START), True),
    "step summary": lambda: StepSummary(Path(os.devnull), STAGES, lambda run: run),
    "without titles": lambda: TerminalReporter((), _console(False), VirtualClock(START), False),
}
every_reporter = pytest.mark.parametrize("name", REPORTERS)
RUNS = (passed, rolled_back, failed, waiting, running)


@every_reporter
@pytest.mark.parametrize("made", RUNS)
def test_a_reporter_may_be_closed_after_any_event(name: str, made: Callable[[], Script]) -> None:
    events = made().events
    for cut in {0, 1, len(events) // 2, len(events) - 1, len(events)}:
        reporter = REPORTERS[name]()
        for event in events[:cut]:
            reporter.notice(event)
        reporter.close()


@every_reporter
def test_closing_twice_is_closing_once(name: str) -> None:
    reporter = REPORTERS[name]()
    for event in passed().events:
        reporter.notice(event)
    reporter.close()
    reporter.close()


@pytest.mark.parametrize("made", RUNS)
def test_every_view_of_every_beginning_of_a_run_can_be_drawn(made: Callable[[], Script]) -> None:
    events = made().events
    for cut in range(0, len(events) + 1, max(1, len(events) // 6)):
        run = fold(events[:cut])
        assert "<html" in render_html(run, ReportContext("demo", START, STAGES))
        assert run_to_json(run)["headline"]
        _console(False).print(render_run(run))


@settings(max_examples=20, deadline=None)
@given(st.lists(ANY_EVENT, max_size=12))
def test_events_in_an_order_that_no_run_has_are_still_a_state_that_can_be_shown(events: list[Event]) -> None:
    numbered = [replace(e, seq=number) for number, e in enumerate(events, start=1)]
    run = fold(numbered)
    assert run_to_json(run)["headline"]
    _console(False).print(render_run(run))

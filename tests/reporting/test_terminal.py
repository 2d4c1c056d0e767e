"""The terminal: the same events as a live table, as plain lines, and as the end of a run, on a recorded console."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from dawsos.model.events import Event, GateEvaluated
from dawsos.reporting.terminal import TerminalReporter
from fakes import VirtualClock
from reporting.sample_runs import STAGES, START, Script, failed, passed, rolled_back, running, waiting

RUNS: dict[str, Callable[[], Script]] = {
    made.__name__: made for made in (passed, rolled_back, failed, waiting, running)
}
ESCAPE = "\x1b["


def console(*, terminal: bool = False, width: int = 100) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, force_terminal=terminal, highlight=False, legacy_windows=False), stream


def told(events: list[Event], *, live: bool = False, terminal: bool = False, width: int = 100) -> str:
    screen, stream = console(terminal=terminal, width=width)
    reporter = TerminalReporter(STAGES, screen, VirtualClock(START + 400), live)
    for event in events:
        reporter.notice(event)
    reporter.close()
    return stream.getvalue()


@pytest.mark.parametrize("name", RUNS)
def test_without_a_terminal_there_is_a_line_a_fact_and_no_colour(name: str) -> None:
    text = told(RUNS[name]().events)
    assert ESCAPE not in text
    assert "\r" not in text
    facts = [line for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d  ", line)]
    assert len(facts) > 10
    assert text == told(RUNS[name]().events), "the same events are the same text"


def test_a_passed_run_says_so_and_what_was_not_checked() -> None:
    text = told(passed().events)
    assert "gate junit: pass, measured 412 of 412 passed, limit all" in text
    assert "what was not checked" in text
    assert re.search(r"^result +passed", text, re.MULTILINE)


def test_a_red_gate_is_shown_whole_at_the_end() -> None:
    text = told(failed().events)
    gates = [event.fact.verdict for event in failed().events if isinstance(event.fact, GateEvaluated)]
    red = next(verdict for verdict in gates if not verdict.passed)
    assert f"gate {red.gate}" in text
    end = text[text.rindex("gate ") - 200 :]
    assert red.measured in end
    assert red.limit in end


def test_a_rollback_tells_its_reason_and_its_time() -> None:
    text = told(rolled_back().events)
    assert "rollout rolled back" in text
    assert "from the decision to the last request sent to the canary" in text
    assert re.search(r"canary 5 %: [\d.]+ requests/s, errors ", text)


def test_the_live_table_has_a_row_for_every_stage_and_fits_the_screen() -> None:
    text = told(running().events, live=True, terminal=True)
    assert ESCAPE in text
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    for stage, _, _ in STAGES:
        assert re.search(rf"\b{stage}\b", plain), stage


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = told(failed().events, terminal=True)
    colours = re.findall(r"\x1b\[([0-9;]*)m", text)
    assert not [code for codes in colours for code in codes.split(";") if code and 30 <= int(code) <= 107]


def test_what_a_tool_says_cannot_steer_the_terminal() -> None:
    script = Script()
    script.begin()
    script.start_stage("lint")
    script.gate(
        5, "lint", ("exit_status", "\x1b[2J[bold]1[/nonsense]", "0"), result="fail", message="\x1b]0;title\x07[red]x"
    )
    script.end_stage("lint", "failed", "\x1b[31mred")
    text = told(script.events)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]1[/nonsense]" in text


def test_what_a_service_says_cannot_begin_a_line_of_its_own() -> None:
    script = Script()
    script.begin()
    script.start_stage("lint")
    script.gate(5, "lint", ("health", "200 ok, version 1\n::stop-commands::x", "200"))
    script.end_stage("lint", "passed")
    assert "\n::stop-commands" not in told(script.events)


def test_a_reporter_that_is_suspended_leaves_the_screen_and_takes_it_back() -> None:
    screen, stream = console(terminal=True)
    reporter = TerminalReporter(STAGES, screen, VirtualClock(START), True)
    events = running().events
    reporter.notice(events[0])
    reporter.suspend()
    length = len(stream.getvalue())
    reporter.notice(events[1])
    assert len(stream.getvalue()) > length
    reporter.close()

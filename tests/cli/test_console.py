"""The console: texts as they are, no line cut where there is no terminal."""

from __future__ import annotations

import io

import pytest

from dawsos.cli.console import annotate, make_console, say


def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    long = "see [/docs] " + "x" * 300
    say(make_console(), long)
    assert capsys.readouterr().out == long + "\n"


def test_what_is_no_terminal_is_wide(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_console().width == 200


def test_a_terminal_without_unicode_gets_a_question_mark_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    say(make_console(), "passed – ✓")  # noqa: RUF001 - the dash is what a report shows for nothing
    stream.flush()
    assert stream.buffer.getvalue() == b"passed ? ?\n"


def test_in_a_workflow_only_annotations_are_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    say(make_console(), "::stop-commands::x\n  ##[add-mask]a")
    annotate("::error file=a.py,line=1::x")
    assert capsys.readouterr().out == ": :stop-commands::x\n  ## [add-mask]a\n::error file=a.py,line=1::x\n"
    assert make_console().width == 200

"""Findings: the linters' own lines, each with its file and line."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dawsos.gates.findings import Options
from dawsos.model.findings import Finding
from gates.samples import ask


def test_a_linter_that_found_nothing_passes_also_when_it_says_so() -> None:
    verdict = ask("findings", {"ruff.txt": "All checks passed!\n", "mypy.txt": ""}, files="*.txt")
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "0 findings", "at most 0")
    assert verdict.evidence == ("mypy.txt", "ruff.txt")


def test_every_finding_is_shown_and_notes_are_part_of_theirs() -> None:
    output = (
        "app/x.py:3:1: F401 unused\napp/x.py:9: error: no\napp/x.py:9: note: see\napp/y.py:1: E1 bad\nFound 3 errors.\n"
    )
    verdict = ask("findings", {"out.txt": output}, files="out.txt")
    assert (verdict.result, verdict.measured) == ("fail", "3 findings in 2 files")
    assert verdict.findings == ("app/x.py:3:1: F401 unused", "app/x.py:9: error: no", "app/y.py:1: E1 bad")
    assert verdict.message == verdict.findings[0]


def test_colours_do_not_hide_a_finding() -> None:
    verdict = ask(
        "findings", {"out.txt": "\x1b[1mapp/x.py\x1b[0m:3:1: \x1b[31mF401\x1b[0m unused\r\n"}, files="out.txt"
    )
    assert verdict.findings == ("app/x.py:3:1: F401 unused",)


def test_so_many_may_be_allowed_and_not_one_more() -> None:
    evidence = {"out.txt": "a.py:1: x\nb.py:2: y\n"}
    assert ask("findings", evidence, files="out.txt", max=2).passed
    assert not ask("findings", evidence, files="out.txt", max=1).passed


def test_a_linter_that_did_not_run_leaves_no_file() -> None:
    verdict = ask("findings", {"other.log": ""}, files="*.txt")
    assert (verdict.result, verdict.limit) == ("no_data", "*.txt")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"\x7fELF\0\0", b"Traceback (most recent call last):\n  File 'x'\n"],
    ids=["bytes", "nul", "crash"],
)
def test_what_is_no_output_of_a_linter_is_an_error(content: bytes) -> None:
    verdict = ask("findings", {"out.txt": content}, files="out.txt")
    assert verdict.result == "error"
    assert "out.txt" in verdict.message


def test_a_gate_that_reads_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="give tools, files or both"):
        Options()
    with pytest.raises(ValidationError):
        Options(files="out.txt", max=-1)
    assert Options(files="out.txt", max=0).max == 0


def test_tools_and_text_files_are_counted_together() -> None:
    row = {"code": "F401", "message": "unused", "filename": "app/x.py", "location": {"row": 3, "column": 8}}
    evidence = {"ruff.json": [row], "out.txt": "app/y.py:1: E1 bad\napp/x.py:2:5: E2 bad\n"}
    verdict = ask("findings", evidence, tools={"ruff": "ruff.json"}, files="out.txt")
    assert (verdict.result, verdict.measured) == ("fail", "3 findings in 2 files")
    assert verdict.findings == ("app/x.py:3:8: F401 unused", "app/y.py:1: E1 bad", "app/x.py:2:5: E2 bad")
    assert verdict.places == (
        Finding("ruff", "F401", "unused", "app/x.py", 3, 8),
        Finding("linter", "", "E1 bad", "app/y.py", 1, 0),
        Finding("linter", "", "E2 bad", "app/x.py", 2, 5),
    )
    assert ask("findings", {"ruff.json": []}, tools={"ruff": "ruff.json"}).measured == "0 findings of ruff"


def test_a_file_of_another_form_is_read_or_an_error_and_never_nothing_found() -> None:
    text = "/srv/demo/app.py\n  /srv/demo/app.py:3:12 - error: no (reportReturnType)\n1 error, 0 warnings, 0 notes\n"
    report = {
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "d"}}, "results": [{"message": {"text": "bad"}}]}],
    }
    verdict = ask("findings", {"lint.txt": text, "more.txt": report}, files="*.txt")
    assert (verdict.result, verdict.measured) == ("fail", "2 findings in 2 files")
    assert ask("findings", {"lint.txt": "usage: ruff [OPTIONS]\n"}, files="*.txt").result == "error"
    assert ask("findings", {"lint.txt": {"runs": []}}, files="*.txt").result == "error"


def test_how_many_lines_were_not_understood_is_in_the_verdict() -> None:
    verdict = ask("findings", {"out.txt": "All checks passed!\nwarning: something else\n"}, files="out.txt")
    assert (verdict.result, verdict.measured) == ("pass", "0 findings; out.txt: 1 lines are not understood")
    assert verdict.unchecked

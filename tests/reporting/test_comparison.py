"""The comparison as people see it: the report's diff, the lines of a terminal, and what was not compared."""

from __future__ import annotations

from dataclasses import replace

from dawsos.model.comparison import ComparedPage, Difference, PageSide
from dawsos.model.events import AnswersCompared
from dawsos.reporting.comparison import comparison_lines, comparison_text, comparison_view, not_compared

LOST = Difference("missing", "total", "there", "missing", 6, 6, fails=True)
MEANT = Difference("new", "hint", "", '"x"', 6, 6, allowed="asked for by Ada")
PAGE = ComparedPage(
    "GET", "/v1/x", "fail", "total is missing", PageSide(12, "200", 1200, 0.012), PageSide(6, "200", 4, 0.1), (LOST, MEANT), 2,
    ("at",),
)  # fmt: skip
GOOD = ComparedPage("GET", "/health", "pass", "no difference")
BLIND = ComparedPage("GET", "/v1/y", "no_data", "stable itself fails: 503")
FAILED = AnswersCompared("fail", "GET /v1/x: total is missing", 54, 1.5, (PAGE, GOOD, BLIND))


def test_the_report_has_each_difference_with_its_verdict() -> None:
    view = comparison_view(FAILED)
    first, second, _ = view["pages"]
    assert (view["verdict"], view["requests"], first["omitted"], first["noise"]) == ("fail", 54, 2, ["at"])
    assert first["sides"][0] == ("stable", "200", 12, "1,200", "12 ms")
    lost, meant = first["differences"]
    assert (lost["where"], lost["stable"], lost["canary"], lost["answers"], lost["verdict"], lost["tone"]) == (
        "total", "there", "missing", "6 of 6", "fails", "bad",
    )  # fmt: skip
    assert (meant["verdict"], meant["why"]) == ("allowed", "asked for by Ada")
    assert (first["open"], second["open"]) == (True, False)


def test_a_terminal_has_what_fails_and_what_was_not_compared() -> None:
    lines = [line.plain for line in comparison_lines(FAILED, ascii_only=True)]
    assert lines[0].endswith(
        "answers compared before traffic, fail: GET /v1/x: total is missing (54 requests in 1.5 s)"
    )
    assert lines[1:] == [
        "  GET /v1/x: fail",
        "    fails     total is missing",
        '    allowed   hint is new: "x": asked for by Ada',
        "    and 2 more in the report",
        "  GET /v1/y: no data: stable itself fails: 503",
    ]


def test_a_comparison_that_was_not_made_says_why() -> None:
    skipped = AnswersCompared("skipped", "first release: there is no stable release to compare with")
    assert comparison_text(skipped) == "answers not compared: first release: there is no stable release to compare with"
    assert not_compared(skipped) == [
        "the answers were not compared before traffic: first release: there is no stable release to compare with"
    ]
    assert not_compared(FAILED) == ["GET /v1/y was not compared: stable itself fails: 503"]
    assert not_compared(replace(FAILED, pages=(GOOD,))) == not_compared(None) == []

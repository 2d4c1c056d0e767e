"""The comparison before traffic for people: the report's structural diff, and lines for a terminal.  Pure."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from dawsos.model.comparison import ComparedPage, Difference
from dawsos.model.events import AnswersCompared
from dawsos.reporting import formatting
from dawsos.reporting.marks import mark

# A terminal shows so many differences of one request; the report has all that were recorded.
_LINES = 6
_TONES = {"fails": "bad", "undecided": "warn", "allowed": "warn", "shown": ""}


def comparison_view(compared: AnswersCompared) -> dict[str, Any]:
    """Return what the template shows of a comparison."""
    return {
        "verdict": compared.verdict,
        "reason": formatting.one_line(compared.reason),
        "requests": compared.requests,
        "seconds": formatting.span(compared.seconds),
        "pages": [_page(page) for page in compared.pages],
    }


def _page(page: ComparedPage) -> dict[str, Any]:
    return {
        "name": formatting.one_line(page.name),
        "verdict": page.verdict,
        "reason": formatting.one_line(page.reason),
        "open": page.verdict == "fail" or bool(page.differences),
        "sides": [
            (name, formatting.one_line(side.status), side.answers, _bytes(side.bytes), formatting.latency(side.seconds))
            for name, side in (("stable", page.stable), ("canary", page.canary))
        ],
        "differences": [_difference(one) for one in page.differences],
        "omitted": page.omitted,
        "noise": [formatting.one_line(place) for place in page.noise],
    }


def _bytes(size: int | None) -> str:
    return formatting.NOTHING if size is None else f"{size:,}"


def _difference(one: Difference) -> dict[str, str]:
    return {
        "kind": one.kind,
        "where": formatting.one_line(one.where),
        "stable": formatting.one_line(one.stable),
        "canary": formatting.one_line(one.canary),
        "answers": f"{one.count} of {one.of}",
        "verdict": one.verdict,
        "tone": _TONES[one.verdict],
        "why": formatting.one_line(one.allowed),
    }


def comparison_text(compared: AnswersCompared) -> str:
    """Return the comparison as one line of a log."""
    reason = formatting.one_line(compared.reason)
    if compared.verdict == "skipped":
        return f"answers not compared: {reason}"
    asked = f"{compared.requests} requests in {formatting.span(compared.seconds)}"
    return f"answers compared before traffic, {formatting.words(compared.verdict)}: {reason} ({asked})"


def comparison_lines(compared: AnswersCompared, *, ascii_only: bool = False) -> list[Text]:
    """Return the comparison as lines of a terminal: the verdict, and of each request the differences, those that fail first."""
    lines = [Text.assemble(mark(compared.verdict, ascii_only=ascii_only), f" {comparison_text(compared)}")]
    for page in compared.pages:
        if page.verdict == "pass" and not page.differences:
            continue
        said = f"  {formatting.one_line(page.name)}: {formatting.words(page.verdict)}"
        lines.append(Text(said if page.verdict in ("pass", "fail") else f"{said}: {formatting.one_line(page.reason)}"))
        for one in page.differences[:_LINES]:
            why = f": {formatting.one_line(one.allowed)}" if one.allowed else ""
            text = f"    {one.verdict:9} {formatting.one_line(one.sentence)}{why}"
            lines.append(Text(text, style="red" if one.verdict == "fails" else "yellow" if one.undecided else ""))
        more = max(0, len(page.differences) - _LINES) + page.omitted
        if more > 0:
            lines.append(Text(f"    and {more} more in the report", style="dim"))
    return lines


def not_compared(compared: AnswersCompared | None) -> list[str]:
    """Return what the comparison did not see, a sentence each; what a first release lacks is said elsewhere."""
    if compared is None:
        return []
    if compared.verdict in ("no_data", "skipped"):
        return [f"the answers were not compared before traffic: {formatting.one_line(compared.reason)}"]
    return [
        f"{formatting.one_line(page.name)} was not compared: {formatting.one_line(page.reason)}"
        for page in compared.pages
        if page.verdict in ("no_data", "skipped")
    ]

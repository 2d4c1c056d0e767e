"""Texts of any length as they are shown: a line that nobody would read to its end is cut, and says so.  Pure."""

from __future__ import annotations

# Far more than a terminal, a report or an annotation of a CI service shows of one line.
LONGEST_LINE = 4000


def cut_line(line: str) -> str:
    """Return ``line``, cut with a word about the rest when it is longer than anybody reads."""
    rest = len(line) - LONGEST_LINE
    return f"{line[:LONGEST_LINE]} [{rest:,} more characters]" if rest > 0 else line


def cut_lines(text: str) -> str:
    """Return ``text`` with each of its lines cut."""
    return text if len(text) <= LONGEST_LINE else "\n".join(map(cut_line, text.split("\n")))

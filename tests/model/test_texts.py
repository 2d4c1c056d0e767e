"""A line that nobody reads to its end is cut, and says so."""

from __future__ import annotations

from dawsos.model.texts import LONGEST_LINE, cut_line, cut_lines


def test_a_line_is_cut_only_where_it_is_too_long() -> None:
    whole = "x" * LONGEST_LINE
    assert cut_line(whole) == whole
    assert cut_line(f"{whole}yz") == f"{whole} [2 more characters]"
    assert cut_line("x" * 200_000_000) == f"{whole} [199,996,000 more characters]"


def test_each_line_of_a_text_is_cut_for_itself() -> None:
    long = "y" * (LONGEST_LINE + 1)
    assert cut_lines(f"one\n{long}\n\ntwo\n") == f"one\n{cut_line(long)}\n\ntwo\n"
    many = "short\n" * LONGEST_LINE
    assert cut_lines(many) == many

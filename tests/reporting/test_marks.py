"""The symbol of a state, with and without Unicode."""

from __future__ import annotations

import pytest

from dawsos.reporting.formatting import LOOKS
from dawsos.reporting.marks import STYLES, mark


@pytest.mark.parametrize("state", LOOKS)
def test_every_state_has_a_symbol_in_the_colour_of_its_tone(state: str) -> None:
    shown = mark(state, ascii_only=False)
    assert (shown.plain, shown.style) == (LOOKS[state].symbol, STYLES[LOOKS[state].tone])
    assert mark(state, ascii_only=True).plain.isascii()


def test_a_state_of_another_version_is_shown_neutrally() -> None:
    assert (mark("pondering", ascii_only=True).plain, str(mark("pondering", ascii_only=True).style)) == (".", "dim")

"""Values of a file that may hold anything."""

from __future__ import annotations

import pytest

from dawsos.importers.flagger_values import get, listed, mapping, number, seconds, span, text, whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1m", 60.0), ("90s", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("", None), ("1", None), (5, None), (None, None), ("soon", None)],
)  # fmt: skip
def test_times(value: object, expected: float | None) -> None:
    assert seconds(value) == expected


def test_what_is_not_what_it_should_be_is_nothing() -> None:
    assert (mapping([1]), listed({}), get({"a": [1]}, "a", "b"), get(None, "a")) == ({}, [], None, None)
    assert (number(True), number("5"), number(5), whole(True), whole(2.5), whole(-3)) == (None, None, 5.0, 0, 0, -3)
    assert (text(None), text(5)) == ("", "5")
    assert (span(90), span(180)) == ("90 s", "3 min")

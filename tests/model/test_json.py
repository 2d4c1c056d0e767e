"""JSON as types: what is parsed is what was written, and what is no JSON is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.json import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_was_written_is_parsed(value: object) -> None:
    assert parse(json.dumps(value)) == parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "error"), [("", ValueError), ("{", ValueError), (b"\xff", ValueError), ("[" * 99999, RecursionError)]
)
def test_what_is_no_json_is_refused(text: str | bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(text)

"""A manifest that was altered anywhere is read, or is bad input with a message: never a traceback."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.errors import BadInput
from dawsos.importers.flagger import read_manifest
from importers.canaries import CANARY, TEMPLATE

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.floats(allow_nan=True),
    st.sampled_from(["", "1m", "x", "{{ interval }}", "[5m]"]),
    st.sampled_from([[], {}, [{}], [None], {"a": {"b": 1}}, [1, "2", None]]),
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    if isinstance(value, dict):
        return found + [place for key, inner in value.items() for place in places(inner, (*way, key))]
    if isinstance(value, list):
        return found + [place for index, inner in enumerate(value) for place in places(inner, (*way, index))]
    return found


PLACES = [(0, place) for place in places(CANARY)] + [(1, place) for place in places(TEMPLATE)]
MORE = ["iterations", "match", "mirror", "mirrorWeight", "sessionAffinity", "stepWeight", "maxWeight"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), ODD), max_size=4),
    st.dictionaries(st.sampled_from(MORE), ODD, max_size=2),
)
def test_what_was_altered_is_read_or_refused(changes: list[Any], more: dict[str, Any]) -> None:
    documents: list[Any] = [copy.deepcopy(CANARY), copy.deepcopy(TEMPLATE)]
    documents[0]["spec"]["analysis"].update(more)
    for (number, way), value in changes:
        holder = documents[number]
        try:
            for key in way[:-1]:
                holder = holder[key]
            holder[way[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    with contextlib.suppress(BadInput):
        for manifest in read_manifest(documents, 100.0):
            assert manifest.rollback_seconds > 0
            with contextlib.suppress(BadInput):
                manifest.policy()


def test_the_good_one_is_good() -> None:
    (manifest,) = read_manifest([CANARY, TEMPLATE], 1000.0)
    assert [one for one in manifest.findings if one.level != "note"] == []
    assert manifest.policy().checks.slow == pytest.approx(60.0)

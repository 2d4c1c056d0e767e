"""The shape of a document does not depend on the order of its keys and lists."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.analysis.compare.shapes import MOST_PLACES, ROOT, child, scalar, shape_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def test_the_elements_of_a_list_are_one_place() -> None:
    shape = shape_of({"items": [{"id": 1, "tag": "a"}, {"id": 2}], "a.b": None})
    assert sorted(shape) == ['"a.b"', ROOT, "items", "items[]", "items[].id", "items[].tag"]
    assert shape["items[]"].objects == 2
    assert (shape["items[].id"].present, shape["items[].tag"].present) == (2, 1)
    assert shape["items[].id"].values == ["1", "2"]
    assert shape["items"].lengths == [2]


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS, st.randoms())
def test_another_order_of_keys_and_lists_changes_nothing_but_the_order(document: Any, random: Any) -> None:
    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: mixed(value[key]) for key in keys}
        if isinstance(value, list):
            return random.sample([mixed(one) for one in value], len(value))
        return value

    before, after = shape_of(document), shape_of(mixed(document))
    assert before.keys() == after.keys()
    for place, node in before.items():
        other = after[place]
        assert (node.types, node.keys, node.values, node.objects, node.present) == (
            other.types, other.keys, other.values, other.objects, other.present,
        )  # fmt: skip
        assert sorted(node.lengths) == sorted(other.lengths)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6))
def test_every_field_has_a_place_of_its_own(document: Any) -> None:
    assert len(shape_of(document)) == len(document) + 1
    assert len({child(ROOT, key) for key in document}) == len(document)


def test_equal_numbers_are_equal_and_a_long_text_keeps_its_identity() -> None:
    assert scalar(1.0) == scalar(1)
    assert scalar(True) != scalar(1)
    one, two = "x" * 500 + "a", "x" * 500 + "b"
    assert scalar(one) != scalar(two)
    assert len(scalar(one)) < 250


def test_a_document_without_end_is_looked_at_in_part() -> None:
    document: Any = {str(number): number for number in range(3 * MOST_PLACES)}
    assert len(shape_of(document)) == MOST_PLACES


def test_a_deep_document_is_no_reason_to_stop() -> None:
    text = '{"a":' * 400 + "1" + "}" * 400
    assert len(shape_of(json.loads(text))) == 401

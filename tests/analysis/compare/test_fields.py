"""The differences between documents: found, told once, and never what stable itself varies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.compare.pages import answer
from analysis.compare.test_shapes import DOCUMENTS
from dawsos.analysis.compare.answers import Reading, read
from dawsos.analysis.compare.fields import field_differences, noise, same_but_release
from dawsos.model.comparison import Difference


def readings(documents: list[Any]) -> list[Reading]:
    return [read(answer(one)) for one in documents]


def found(stable: Any, canary: Any) -> list[Difference]:
    """Return the differences of six answers, all alike, from twelve of stable."""
    return list(field_differences(readings([stable] * 12), readings([canary] * 6)))


def told(stable: Any, canary: Any) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.where, one.fails) for one in found(stable, canary)]


ITEM = {"id": 7, "price": 1.5, "owner": {"name": "Ada", "mail": "ada@example.org"}}


@pytest.mark.parametrize(
    ("stable", "canary", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1, "b": 2}, {"a": 1}, [("missing", "b", True)]),
        ({"items": [ITEM, ITEM]}, {"items": [ITEM, {"id": 7, "price": 1.5}]},
         [("missing", "items[].owner", True)]),
        ({"owner": ITEM["owner"]}, {}, [("missing", "owner", True)]),
        ({"items": [ITEM]}, {"items": []}, [("emptied", "items", True)]),
        ({"items": [1]}, {"items": None}, [("type", "items", True)]),
        ({"a": 1}, {"a": "1"}, [("type", "a", True)]),
        ({"a": "x"}, {"a": None}, [("type", "a", True)]),
        ({"a": None}, {"a": "x"}, [("value", "a", False)]),
        ({"a": "x"}, {"a": "y"}, [("value", "a", False)]),
        ({"a": "x"}, {"a": "x", "b": {"c": 1}}, [("new", "b", False)]),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, [("order", "tags", False)]),
        ({"status": "ok", "total": 3, "rows": [1]}, {"status": "ok", "error": "database is down"},
         [("missing", "rows", True), ("missing", "total", True), ("new", "error", False)]),
        ([1, 2], {"items": [1, 2]}, [("type", "$", True)]),
        ([ITEM], [], [("emptied", "$", True)]),
    ],
)  # fmt: skip
def test_each_kind_of_difference(stable: Any, canary: Any, expected: list[tuple[str, str, bool]]) -> None:
    assert told(stable, canary) == expected


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS)
def test_a_release_does_not_differ_from_itself(document: Any) -> None:
    assert found(document, document) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(DOCUMENTS, min_size=1, max_size=4), st.randoms())
def test_what_stable_answers_at_times_is_no_difference_and_no_order_of_answers_matters(
    documents: list[Any], random: Any
) -> None:
    stable = readings(documents * 3)
    canary = readings([random.choice(documents) for _ in range(6)])
    first = list(field_differences(stable, canary))
    # Values and fields that stable shows in some answers are noise; a proof needs what chance does not do.
    assert all(not one.fails for one in first if one.count < 4)
    random.shuffle(stable)
    random.shuffle(canary)
    again = list(field_differences(stable, canary))
    assert [(one.kind, one.where, one.count, one.fails) for one in again] == [
        (one.kind, one.where, one.count, one.fails) for one in first
    ]


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(), min_size=1), st.sets(st.sampled_from("abcdef")))
def test_what_is_missing_one_way_is_new_the_other_way(document: dict[str, int], dropped: set[str]) -> None:
    less = {key: value for key, value in document.items() if key not in dropped}
    lost = {where for kind, where, _ in told(document, less) if kind == "missing"}
    come = {where for kind, where, _ in told(less, document) if kind == "new"}
    assert lost == come == dropped & document.keys()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(), min_size=12, max_size=12, unique=True), st.lists(st.integers(), min_size=6, max_size=6))
def test_values_that_always_differ_are_noise(seen: list[int], others: list[int]) -> None:
    stable = readings([{"at": one, "kept": "x"} for one in seen])
    canary = readings([{"at": one, "kept": "x"} for one in others])
    assert list(field_differences(stable, canary)) == []
    assert noise(stable) == ["at"]


def test_a_field_that_comes_and_goes_in_stable_may_come_and_go() -> None:
    stable = readings([{"a": 1, "hint": 1}] * 7 + [{"a": 1}] * 5)
    assert list(field_differences(stable, readings([{"a": 1}] * 6))) == []
    assert list(field_differences(stable, readings([{"a": 1, "other": 2}] * 6))) == []


def test_a_field_that_one_answer_lacks_is_told_and_proves_nothing() -> None:
    (one,) = field_differences(readings([{"a": 1}] * 12), readings([{"a": 1}] * 5 + [{}]))
    assert (one.kind, one.count, one.of, one.fails, one.undecided) == ("missing", 1, 6, False, True)


def test_a_changed_value_shows_what_went_and_what_came() -> None:
    (one,) = found({"prices": [1, 2, 3, 4, 5, 6]}, {"prices": [1, 2, 30, 4, 5, 6]})
    assert (one.where, one.stable, one.canary) == ("prices[]", "3", "30")


COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLD = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        (OLD, COMMIT, True),
        (f'"build {OLD[:7]}"', f'"build {COMMIT[:7]}"', True),
        (f'"build {OLD[:7]} of May"', f'"build {COMMIT[:7]} of June"', False),
        ("unknown", COMMIT, False),
        ("1", "2", False),
    ],
)
def test_the_name_of_its_own_release_is_no_difference(before: str, after: str, alike: bool) -> None:
    assert same_but_release(before, after, (COMMIT, "")) is alike


def test_the_commit_on_a_health_page_is_no_difference() -> None:
    stable, canary = ({"status": "healthy", "version": one} for one in (OLD, COMMIT))
    assert list(field_differences(readings([stable] * 12), readings([canary] * 6), (COMMIT,))) == []

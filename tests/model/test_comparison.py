"""A comparison in the journal is read as it was written, also by a version that knows more or less of it."""

from __future__ import annotations

import json

import pytest

from dawsos.model.comparison import ComparedPage, Difference, PageSide
from dawsos.model.events import AnswersCompared, fact_of

PAGE = ComparedPage(
    "GET", "/v1/x", "fail", "a is missing", PageSide(12, "200", 10, 0.1), PageSide(6, "200", 4, 0.1),
    (Difference("missing", "a", "there", "missing", 6, 6, fails=True),), 3, ("at",),
)  # fmt: skip
FACT = AnswersCompared("fail", "GET /v1/x: a is missing", 18, 1.5, (PAGE,))


def test_it_is_read_as_it_was_written() -> None:
    assert fact_of("answers_compared", json.loads(json.dumps(FACT.body()))) == FACT


def test_keys_of_another_version_are_ignored_and_those_that_lack_have_defaults() -> None:
    page = {"method": "GET", "path": "/", "verdict": "pass", "later": 1, "stable": {"later": 1}}
    page["differences"] = [{"kind": "new", "later": 1}]
    found = fact_of("answers_compared", {"verdict": "pass", "later": 1, "pages": [page]})
    assert isinstance(found, AnswersCompared)
    assert found.pages == (ComparedPage("GET", "/", "pass", differences=(Difference("new"),)),)


@pytest.mark.parametrize(
    ("one", "sentence", "verdict"),
    [
        (Difference("missing", "a", "there", "missing", 6, 6, fails=True), "a is missing", "fails"),
        (
            Difference("missing", "a", "there", "missing", 1, 6, undecided=True),
            "a is missing in 1 of 6 answers",
            "undecided",
        ),
        (Difference("new", "a", "", "1", 6, 6), "a is new: 1", "shown"),
        (Difference("status", "", "200", "404", 6, 6, fails=True), "status 404, in stable 200", "fails"),
        (Difference("answer", "", "200", "timeout", 6, 6, fails=True), "timeout, and stable answers 200", "fails"),
        (Difference("body", "", "JSON", "empty", 6, 6, fails=True), "the body is empty, in stable JSON", "fails"),
        (
            Difference("type", "a", "number", "text", 6, 6, fails=True, allowed="v2"),
            "a is text, in stable number",
            "allowed",
        ),
        (Difference("value", "a", "1", "2", 6, 6), "a 2, in stable 1", "shown"),
        (Difference("header", "vary", "accept", "", 6, 6), "vary none, in stable accept", "shown"),
        (Difference("emptied", "a", "x", "y", 6, 6, fails=True), "a is an empty list", "fails"),
        (Difference("order", "a", "x", "y", 6, 6), "a is in another order", "shown"),
        (Difference("time", "", "10 ms", "300 ms", 6, 6), "time 300 ms, in stable 10 ms", "shown"),
    ],
)
def test_a_difference_in_words(one: Difference, sentence: str, verdict: str) -> None:
    assert (one.sentence, one.verdict) == (sentence, verdict)

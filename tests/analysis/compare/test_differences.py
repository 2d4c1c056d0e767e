"""Differences of whole answers: their end, their form, headers, words, size and time."""

from __future__ import annotations

import pytest

from analysis.compare.pages import answer, plain
from dawsos.analysis.compare.answers import Answer, read
from dawsos.analysis.compare.differences import differences, status_words, usual_group
from dawsos.model.comparison import Difference

PAGE = "<html><body><h1>Welcome to the shop</h1><p>We sell apples, pears and plums every day.</p></body></html>"
FAULT = "<html><body><h1>Internal error</h1><p>Something broke.</p></body></html>"


def found(stable: Answer, canary: Answer) -> list[Difference]:
    return differences([read(stable)] * 12, [read(canary)] * 6)


@pytest.mark.parametrize(
    ("stable", "canary", "kind", "fails"),
    [
        (answer({"a": 1}), answer({"a": 1}, 404), "status", True),
        (answer({"a": 1}), answer({"a": 1}, 500), "status", True),
        (answer({"a": 1}), plain("", 302), "status", True),
        (answer({"a": 1}), Answer(0, problem="timeout"), "answer", True),
        (answer({"a": 1}), Answer(0, problem="disconnected"), "answer", True),
        (answer({"a": 1}), answer({"a": 1}, 201), "status", False),
        (answer({"a": 1}), plain("", media="application/json"), "body", True),
        (answer({"a": 1}), plain('{"a": 1', media="application/json"), "body", True),
        (answer({"a": 1}), plain(FAULT, media="text/html"), "body", True),
        (plain(b"\x89PNG\xff" * 99, media="image/png"), plain(b"\x89PNG\xff", media="image/png"), "body", True),
        (plain(PAGE, media="text/html"), plain(FAULT, media="text/html"), "text", True),
        (plain("ok"), plain("error: no database"), "text", True),
        (plain(PAGE, media="text/html"), plain(PAGE.replace("plums", "quinces"), media="text/html"), "text", False),
        (plain("1.0"), plain("1.1"), "text", False),
        (answer({"a": 1}, vary="accept"), answer({"a": 1}), "header", False),
        (Answer(302, headers={"location": "/a"}),
         Answer(302, headers={"location": "/b"}), "header", False),
        (answer({"a": "x" * 500}), answer({"a": "x" * 100}), "value", False),
        (answer({"a": 1}, seconds=0.1), answer({"a": 1}, seconds=0.5), "time", False),
    ],
)  # fmt: skip
def test_each_kind(stable: Answer, canary: Answer, kind: str, fails: bool) -> None:
    first = found(stable, canary)[0]
    assert (first.kind, first.fails) == (kind, fails)


@pytest.mark.parametrize(
    ("stable", "canary"),
    [
        (answer({"a": 1}), answer({"a": 1}, date="later", etag="2")),
        (answer({"a": 1}, seconds=0.1), answer({"a": 1}, seconds=0.15)),
        (Answer(204), Answer(204)),
        (plain("hello"), plain("hello\n")),
    ],
)
def test_what_is_no_difference(stable: Answer, canary: Answer) -> None:
    assert found(stable, canary) == []


def test_a_size_that_more_than_doubles_is_shown() -> None:
    kinds = [one.kind for one in found(answer(["a"] * 50), answer(["a"] * 500))]
    assert "size" in kinds
    assert not any(one.fails for one in found(answer(["a"] * 50), answer(["a"] * 500)))


def test_other_differences_are_those_of_the_answers_that_can_be_compared() -> None:
    stable = [read(answer({"a": 1, "b": 1}))] * 12
    canary = [read(answer({"a": 1}, 500))] + [read(answer({"a": 1}))] * 5
    assert [(one.kind, one.fails, one.undecided, one.of) for one in differences(stable, canary)] == [
        ("missing", True, False, 5), ("status", False, True, 6),
    ]  # fmt: skip


def test_a_stable_release_that_fails_now_and_then_hides_no_fault_and_makes_none() -> None:
    stable = [read(answer({"a": 1}))] * 11 + [read(answer({}, 503))]
    assert differences(stable, [read(answer({"a": 1}))] * 6) == []
    assert differences(stable, [read(answer({"a": 1}))] * 5 + [read(answer({}, 503))]) == []
    (first, *_) = differences(stable, [read(answer({}, 503))] * 6)
    assert (first.kind, first.fails) == ("status", True)


def test_the_class_that_stable_usually_has() -> None:
    def group(*statuses: int) -> str:
        return usual_group([read(Answer(one)) for one in statuses])

    assert group(200, 200, 404) == "2xx"
    assert group(500, 0, 0) == ""
    assert status_words([read(Answer(one)) for one in (500, 200, 200)]) == "200 (2), 500 (1)"
    assert status_words([read(Answer(200))] * 2) == "200"


def test_the_commit_as_a_page_is_no_difference() -> None:
    old, new = "1" * 40, "2" * 40
    stable, canary = ([read(plain(one))] * count for one, count in ((old, 12), (new, 6)))
    assert differences(stable, canary, (new,)) == []
    assert [one.kind for one in differences(stable, canary)] == ["text"]

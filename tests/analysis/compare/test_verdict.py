"""The verdict on a page and on all of them: what fails, what is only shown, what pipeline.yaml allows, where nothing can be said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from analysis.compare.pages import answer, asked, plain, six
from analysis.compare.test_shapes import DOCUMENTS
from dawsos.analysis.compare.answers import Answer
from dawsos.analysis.compare.verdict import compare_page, overall, undecided
from dawsos.model.comparison import ComparedPage
from dawsos.model.policy import AllowedDifference

GOOD = answer({"rows": [1, 2], "total": 2})
LESS = answer({"rows": [1, 2]})


def allow(path: str = "/v1/x", **more: Any) -> tuple[AllowedDifference, ...]:
    return (AllowedDifference(path=path, why="version 2 has no total", **more),)


def test_equal_answers_pass() -> None:
    page = compare_page(six(GOOD, GOOD))
    assert (page.verdict, page.reason, page.name) == ("pass", "no difference", "GET /v1/x")
    assert (page.stable.answers, page.canary.answers, page.stable.status) == (12, 6, "200")


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS, DOCUMENTS)
def test_only_what_fails_fails(before: Any, after: Any) -> None:
    page = compare_page(six(answer(before), answer(after)))
    assert (page.verdict == "fail") == any(one.fails for one in page.differences)
    assert page.verdict in ("pass", "fail")
    assert ComparedPage.read({**vars(page), "differences": [vars(one) for one in page.differences],
                              "stable": vars(page.stable), "canary": vars(page.canary)}) == page  # fmt: skip


def test_a_missing_field_fails_and_says_which() -> None:
    page = compare_page(six(GOOD, LESS))
    assert (page.verdict, page.reason) == ("fail", "total is missing")
    assert overall([page, compare_page(six(GOOD, GOOD))]) == ("fail", "GET /v1/x: total is missing")


@pytest.mark.parametrize("more", [{}, {"at": "total"}])
def test_what_the_commit_means_is_shown_and_does_not_fail(more: dict[str, str]) -> None:
    page = compare_page(six(GOOD, LESS), allow(**more))
    assert (page.verdict, page.reason) == ("pass", "1 difference, 1 allowed")
    assert page.differences[0].allowed == "version 2 has no total"


@pytest.mark.parametrize("wrong", [allow("/v1/y"), allow(at="rows")])
def test_what_is_allowed_elsewhere_still_fails(wrong: tuple[AllowedDifference, ...]) -> None:
    assert compare_page(six(GOOD, LESS), wrong).verdict == "fail"


@pytest.mark.parametrize("bad", [Answer(0, problem="timeout"), answer({}, 500), plain("{", media="application/json")])
def test_nothing_can_mean_an_answer_that_no_client_can_use(bad: Answer) -> None:
    assert compare_page(six(GOOD, bad), allow()).verdict == "fail"


def test_a_page_that_is_taken_away_on_purpose_may_be_gone() -> None:
    assert compare_page(six(GOOD, plain("gone", 410)), allow()).verdict == "pass"
    assert compare_page(six(GOOD, plain("gone", 410))).verdict == "fail"


@pytest.mark.parametrize(
    ("stable", "authenticated", "verdict", "why"),
    [
        (answer({}, 503), False, "no_data", "stable itself fails: 503"),
        (Answer(0, problem="timeout"), False, "no_data", "stable itself fails: timeout"),
        (plain("", 404), False, "skipped", "stable does not have this page: 404"),
        (plain("", 429), False, "skipped", "stable refuses so many requests: 429"),
        (plain("", 401), True, "skipped", "stable refuses the declared token: 401"),
        (Answer(0, problem="too large"), False, "skipped", "answers are longer than what is compared"),
    ],
)
@pytest.mark.parametrize("canary", [GOOD, answer({}, 503), plain("", 404)])
def test_where_stable_itself_fails_nothing_passes_and_nothing_fails(
    stable: Answer, authenticated: bool, verdict: str, why: str, canary: Answer
) -> None:
    page = compare_page(six(stable, canary, authenticated=authenticated))
    assert (page.verdict, page.reason) == (verdict, why)
    assert overall([page]) == (verdict, f"GET /v1/x: {why}")


def test_pages_of_which_one_should_have_been_compared_are_no_data() -> None:
    new, failing = compare_page(six(plain("", 404), GOOD)), compare_page(six(answer({}, 503), GOOD))
    assert overall([new, new])[0] == "skipped"
    assert overall([new, failing])[0] == "no_data"


def test_a_page_that_lets_nobody_in_and_then_everybody_fails() -> None:
    assert compare_page(six(plain("who are you", 401), GOOD)).verdict == "fail"


def test_too_few_answers_are_no_pass_but_what_they_prove_is_proven() -> None:
    few = compare_page(asked([GOOD] * 4, [GOOD] * 2, wanted=6))
    assert (few.verdict, few.reason) == (
        "no_data",
        "only 2 of 6 answers of the canary came in the time and with the requests allowed",
    )
    assert compare_page(asked([GOOD] * 10, [LESS] * 5, wanted=6)).verdict == "fail"
    assert compare_page(asked([], [], wanted=6)).verdict == "no_data"


def test_what_few_answers_have_asks_for_more_answers() -> None:
    page = compare_page(asked([GOOD] * 12, [GOOD] * 5 + [answer({}, 500)]))
    assert (page.verdict, undecided(page)) == ("pass", True)
    more = compare_page(asked([GOOD] * 48, [GOOD] * 17 + [answer({}, 500)] * 7))
    assert (more.verdict, undecided(more)) == ("fail", False)
    assert not undecided(compare_page(six(GOOD, GOOD)))


def test_the_verdict_on_all_pages_names_those_that_were_not_compared() -> None:
    good, blind = compare_page(six(GOOD, GOOD)), compare_page(six(answer({}, 503), GOOD))
    assert overall([good, blind]) == (
        "pass", "1 of 2 requests compared, no difference; GET /v1/x: stable itself fails: 503",
    )  # fmt: skip
    assert overall([]) == ("no_data", "no request was compared")


def test_a_thousand_differences_are_counted_and_forty_are_kept() -> None:
    before, after = ({f"k{number}": value for number in range(1000)} for value in (1, 2))
    page = compare_page(six(answer(before), answer(after)))
    assert (page.verdict, len(page.differences), page.omitted) == ("pass", 40, 960)

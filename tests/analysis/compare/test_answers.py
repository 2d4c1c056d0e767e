"""One answer is read for what it is, whatever it claims to be."""

from __future__ import annotations

import pytest

from analysis.compare.pages import answer, plain
from dawsos.analysis.compare.answers import Answer, read


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (answer({"a": 1}), "json"),
        (plain('{"a": 1}', media="application/problem+json; charset=utf-8"), "json"),
        (plain('{"a": 1}', media=""), "json"),
        (plain("{not json", media=""), "text"),
        (plain('{"a": 1', media="application/json"), "unreadable"),
        (plain("[" * 100_000, media="application/json"), "unreadable"),
        (plain('{"a": 1}\n{"a": 2}\n', media="application/x-ndjson"), "text"),
        (plain("", media="application/json"), "empty"),
        (plain(" \n", media="text/html"), "empty"),
        (plain("hello"), "text"),
        (plain(b"\x89PNG\x00\xff", media="image/png"), "bytes"),
        (plain(b"a\x00b", media="text/plain"), "bytes"),
    ],
)
def test_the_form_of_a_body(given: Answer, form: str) -> None:
    assert read(given).form == form


def test_an_answer_that_never_came() -> None:
    found = read(Answer(0, 10.0, problem="timeout"))
    assert (found.group, found.status, found.fails) == ("no answer", "timeout", True)
    assert read(plain("x", 503)).fails
    assert not read(plain("x", 404)).fails


def test_of_a_page_only_the_words_that_people_see() -> None:
    page = "<html><head><style>p {color: red}</style></head><body><!-- todo --><p class='x'>Hello <b>you</b></p></body></html>"
    assert read(plain(page, media="text/html")).words == {"hello", "you"}
    assert read(plain(page, media="")).words == {"hello", "you"}


def test_of_cookies_only_the_names_and_no_header_that_always_differs() -> None:
    cookie = "session=secret; Expires=Wed, 01 Jan 2031 00:00:00 GMT; Path=/, theme=dark; HttpOnly"
    found = read(answer({}, set_cookie=cookie, date="now", etag="1", cache_control="no-store"))
    assert found.headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "set-cookie": "session, theme",
    }

"""Secrets are masked whole, however the text is cut into pieces."""

from __future__ import annotations

import html
import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dawsos.adapters.redactor import Masker


def in_pieces(masker: Masker, pieces: list[str]) -> str:
    stream = masker.stream()
    return "".join([*map(stream.feed, pieces), stream.end()])


def test_a_secret_is_masked_and_other_text_is_not() -> None:
    masker = Masker(["s3cret"])
    assert masker.clean("url=postgres://u:s3cret@h s3cre s3crets") == "url=postgres://u:***@h s3cre ***s"
    masker.add(["other-one"])
    assert masker.clean("other-one s3cret") == "*** ***"
    assert Masker().clean("text") == "text"


def test_a_secret_within_another_does_not_leave_a_rest() -> None:
    assert Masker(["abcd", "abcdefgh"]).clean("abcdefgh abcd") == "*** ***"


def test_what_is_too_short_would_mask_everything() -> None:
    assert Masker(["", "a", "abc"]).clean("abc a") == "abc a"


def test_what_is_no_beginning_of_a_secret_is_not_held_back() -> None:
    stream = Masker(["s3cret"]).stream()
    assert stream.feed("hello\n") == "hello\n"
    assert stream.feed("a s3c") == "a "
    assert stream.feed("ond\n") == "s3cond\n"
    assert stream.feed("s3cr") == ""
    assert stream.end() == "s3cr"


def test_a_whole_secret_is_shown_as_one_at_once_unless_it_may_go_on() -> None:
    assert Masker(["s3cret", "a-longer-one"]).stream().feed("a s3cret") == "a ***"
    assert Masker(["s3cret", "s3cret-one"]).stream().feed("a s3cret") == "a "


def test_a_secret_of_several_lines_is_masked_in_a_stream() -> None:
    assert in_pieces(Masker(["-----KEY\nabc\n-----"]), ["x\n-----KEY\n", "abc\n", "-----\ny\n"]) == "x\n***\ny\n"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("ab", min_size=4, max_size=7), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=9), max_size=8),
)
@example(["abab"], ["abab", "ab"])
@example(["aaaa", "aaaab"], ["aaaa", "a", "ab"])
@example(["abba", "abbaabb"], ["abbaa", "bb"])
def test_a_stream_masks_what_the_whole_text_would(secrets: list[str], pieces: list[str]) -> None:
    masker = Masker(secrets)
    streamed = in_pieces(masker, pieces)
    assert streamed == masker.clean("".join(pieces))
    assert not any(secret in streamed for secret in secrets)


def test_what_a_command_wrote_itself_is_masked_as_well(tmp_path: Path) -> None:
    report, other, binary = tmp_path / "deep" / "junit.xml", tmp_path / "other.xml", tmp_path / "raw.bin"
    report.parent.mkdir()
    report.write_text("<failure>postgres://app:s3cret-word@localhost</failure>")
    other.write_text("<ok/>")
    binary.write_bytes(b"\xff\x00s3cret-word\xfe")
    assert Masker(["s3cret-word"]).clean_files(tmp_path) == [report, binary]
    assert report.read_text() == "<failure>postgres://app:***@localhost</failure>"
    assert (other.read_text(), binary.read_bytes()) == ("<ok/>", b"\xff\x00***\xfe")
    assert Masker().clean_files(tmp_path) == []


SEVERAL_LINES = "-----BEGIN" + ' KEY-----\nab"c<d&e\\fü\n-----END KEY-----\n'


@pytest.mark.parametrize(
    "written",
    [
        repr(SEVERAL_LINES),
        json.dumps(SEVERAL_LINES),
        json.dumps(SEVERAL_LINES, ensure_ascii=False),
        html.escape(SEVERAL_LINES),
        escape(SEVERAL_LINES),
        escape(SEVERAL_LINES, {'"': "&quot;"}),
    ],
    ids=["of Python", "JSON in ASCII", "JSON", "HTML", "XML", "XML in quotes"],
)
def test_a_secret_is_masked_as_a_report_writes_it(written: str, tmp_path: Path) -> None:
    masker = Masker([SEVERAL_LINES])
    (tmp_path / "report").write_text(f"<{written}>")
    assert 'ab"c' not in masker.clean(SEVERAL_LINES)
    assert masker.clean_files(tmp_path) == [tmp_path / "report"]
    for text in (masker.clean(f"<{written}>"), (tmp_path / "report").read_text()):
        assert text.strip("<'\">") == "***"


KEY = "=====BEGIN KEY=====\nMIIEowIBAAKCAQEA\n  x+y/z==\nab\n=====END KEY=====\n"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("MIIEowIBAAKCAQEA", "***"),
        ("log: x+y/z==", "log: ***"),
        (json.dumps(KEY.splitlines()), '["***", "***", "  ***", "ab", "***"]'),
        ("12:00  =====BEGIN KEY=====\n12:00  MIIEowIBAAKCAQEA", "12:00  ***\n12:00  ***"),
        (f"{KEY}after", "***after"),
        ("ab", "ab"),
    ],
)
def test_each_line_of_a_secret_of_several_lines_is_masked(text: str, clean: str) -> None:
    assert Masker([KEY]).clean(text) == clean


def test_the_end_of_a_line_behind_a_secret_is_no_part_of_it() -> None:
    assert Masker(["s3cret-value\n"]).clean("password=s3cret-value;") == "password=***;"


def test_lines_of_a_secret_are_masked_in_pieces() -> None:
    assert in_pieces(Masker([KEY]), ["a MIIEow", "IBAAKC", "AQEA b\n"]) == "a *** b\n"

"""Reading evidence: globs as pathlib reads them, and paths that stay in the artifact folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dawsos.gates.documents import (
    Malformed,
    Missing,
    get,
    get_number,
    get_text,
    get_word,
    mapping,
    matching_files,
    number,
    parse_json,
    parse_object,
    parse_rows,
    parse_xml,
    required_file,
    rows,
    texts,
)
from dawsos.gates.junit import Options
from gates.samples import ask, junit

NAMES = ["a.xml", "ab.xml", "x/a.xml", "x/y/a.xml", "a.json", "x/b.xml"]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.xml",
        "a.xml",
        "?.xml",
        "x/*.xml",
        "**/*.xml",
        "**/a.xml",
        "x/**/a.xml",
        "**/*",
        "[ab].xml",
        "x/[!a].xml",
        "[a-c].xml",
        "[!b]*.xml",
    ],
)
def test_a_pattern_chooses_what_pathlib_chooses(pattern: str, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    chosen = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob(pattern) if p.is_file()}
    assert set(matching_files(dict.fromkeys(NAMES, b""), pattern)) == chosen


def test_a_pattern_without_a_file_is_missing() -> None:
    with pytest.raises(Missing, match=r"there is no b\*"):
        matching_files({"a": b""}, "b*")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x.xml", "a/../../x", "x**/a"])
def test_a_path_out_of_the_artifact_folder_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        Options(reports=path)


def test_a_regular_expression_is_checked_when_the_file_is_read() -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        ask("pass_rate", {}, min_rate=1, select="(")


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert parse_json("a", b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert ask("junit", {"junit.xml": b"\xef\xbb\xbf" + junit({"a": "passed"}).encode()}).passed


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes_are_parsed_or_malformed(content: bytes) -> None:
    for parse in (parse_json, parse_xml):
        try:
            parse("file", content)
        except Malformed as malformed:
            assert str(malformed).startswith("file")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: required_file({"a": b""}, "b"), "there is no b: the step that writes it did not run or failed before"),
        (lambda: parse_object("f", b"[]"), "f is an array, not an object"),
        (lambda: parse_rows("f", b"{}"), "f is an object, not an array"),
        (lambda: parse_rows("f", b"[{}, 1]"), "f[1] is a number, not an object"),
        (lambda: get("f", [], "a"), "f is an array, not an object"),
        (lambda: get("f", {}, "a"), "f has no 'a'"),
        (lambda: get_text("f", {"a": ""}, "a"), "f: a is '', not a text"),
        (lambda: get_text("f", {"a": 1}, "a"), "f: a is 1, not a text"),
        (lambda: get_word("f", {"a": "c"}, "a", ("x", "y")), "f: a is 'c', not one of x, y"),
        (lambda: get_word("f", {"a": None}, "a", ("x", "y")), "f: a is None, not one of x, y"),
        (lambda: get_number("f", {"a": "1"}, "a"), "f: a is '1', not a number"),
        (lambda: number("f", True), "f is True, not a number"),
        (lambda: number("f", None), "f is None, not a number"),
        (lambda: number("f", float("nan")), "f is nan, not a finite number"),
        (lambda: number("f", float("inf")), "f is inf, not a finite number"),
        (lambda: number("f", 10**400), "f is inf, not a finite number"),
        (lambda: mapping("f", None), "f is null, not an object"),
        (lambda: mapping("f", "x"), "f is a text, not an object"),
        (lambda: mapping("f", True), "f is a boolean, not an object"),
        (lambda: rows("f", None), "f is null, not an array"),
        (lambda: texts("f", None), "f is null, not an array"),
        (lambda: texts("f", ["x", 1]), "f is not an array of texts"),
    ],
)
def test_a_value_of_another_shape_is_refused_with_its_place(read: Callable[[], object], message: str) -> None:
    with pytest.raises((Malformed, Missing)) as refused:
        read()
    assert str(refused.value) == message


def test_a_value_of_the_right_shape_is_returned() -> None:
    document = parse_object("f", b'{"text": "x", "number": 2, "rows": [{"a": 1}], "texts": ["y"], "none": null}')
    assert get_text("f", document, "text") == "x"
    assert get_word("f", document, "text", ("z", "x")) == "x"
    assert get_number("f", document, "number") == 2.0
    assert rows("f: rows", get("f", document, "rows")) == parse_rows("f", b'[{"a": 1}]') == [{"a": 1}]
    assert texts("f: texts", get("f", document, "texts")) == ["y"]
    assert get("f", document, "none") is None
    assert mapping("f", document) == document


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "utf-16", "UTF-8"])
def test_xml_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a name="café"/>'
    assert parse_xml("f", text.encode(encoding)).get("name") == "café"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "declares the encoding 'utf-7'"),
        (b'<?xml version="1.0" encoding="ascii"?><a name="\xe9"/>', "is not ascii text"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a/>'.encode("utf-16"), "entities"),
        (b"<a>\x00", "is not XML"),
    ],
)
def test_another_encoding_hides_nothing(content: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse_xml("f", content)


@pytest.mark.parametrize("character", ["\x1b", "\x00", "&#x1b;", "&#27;", "&#0;", "\x0b"])
def test_characters_that_xml_forbids_are_no_reason_to_know_nothing(character: str) -> None:
    assert parse_xml("f", f"<a><b>x{character}y</b></a>".encode()).findtext("b") == "x\ufffdy"

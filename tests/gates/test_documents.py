"""Reading evidence: globs as pathlib reads them, and paths that stay in the artifact folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dawsos.gates.documents import Malformed, Missing, get, number, parse_json, parse_xml, rows, several
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
    assert set(several(dict.fromkeys(NAMES, b""), pattern)) == chosen


def test_a_pattern_without_a_file_is_missing() -> None:
    with pytest.raises(Missing, match=r"there is no b\*"):
        several({"a": b""}, "b*")


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


def test_a_value_of_another_shape_is_malformed_with_its_place() -> None:
    with pytest.raises(Malformed, match="f holds a list where a mapping with 'a' belongs"):
        get("f", [], "a")
    with pytest.raises(Malformed, match="f has no 'a'"):
        get("f", {}, "a")
    with pytest.raises(Malformed, match="f: it is not a list of mappings"):
        rows("f", [1], "it")
    for value in (True, "1", None, float("nan"), float("inf")):
        with pytest.raises(Malformed, match="not a number"):
            number("f", value)

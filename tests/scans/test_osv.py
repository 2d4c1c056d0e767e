"""OSV: real advisories are found again by version, in every form in which an export comes."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from dawsos.errors import BadInput
from dawsos.model.json import Json, JsonObject
from dawsos.scans.osv import is_affected, match, read_export

# Three real records of the PyPA Advisory Database, CC-BY-4.0.
EXCERPT = (Path(__file__).parent.parent / "pipelines" / "defects" / "base" / "advisories.jsonl").read_bytes()
PACKAGE = {"name": "jinja2", "ecosystem": "PyPI"}
RECORDS = [json.loads(line) for line in EXCERPT.splitlines()]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for record in RECORDS:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
        archive.writestr("README", "not a record")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", EXCERPT), ("a.jsonl.gz", gzip.compress(EXCERPT)), ("a.json", json.dumps(RECORDS).encode()), ("a.zip", zipped())],
)  # fmt: skip
def test_every_form_of_export_is_read(name: str, content: bytes) -> None:
    export = read_export(name, content)
    assert len(export.records) == 3
    assert export.modified == max(record["modified"] for record in RECORDS)
    found = match(export, {"jinja2": "2.10", "requests": "2.19.0", "click": "8.1.7"}, "PyPI")
    assert {(row["package"], row["id"]) for row in found} == {
        ("jinja2", "PYSEC-2019-217"), ("jinja2", "PYSEC-2021-66"), ("requests", "PYSEC-2018-28"),
    }  # fmt: skip
    assert next(row["fixed"] for row in found if row["id"] == "PYSEC-2019-217") == ["2.10.1"]


def test_a_mended_version_another_ecosystem_and_a_withdrawn_record_are_clean() -> None:
    export = read_export("a.jsonl", EXCERPT)
    assert match(export, {"jinja2": "3.1.6", "requests": "2.32.0"}, "PyPI") == []
    assert match(export, {"jinja2": "2.10"}, "npm") == []
    withdrawn = [record | {"withdrawn": "2024-01-01T00:00:00Z"} for record in RECORDS[:2]] + RECORDS[2:]
    kept = read_export("a.json", json.dumps(withdrawn).encode())
    assert len(kept.records) == 1


def test_a_compressed_export_that_was_damaged_is_refused_wherever_the_damage_is() -> None:
    whole = gzip.compress(EXCERPT)
    for place in range(12, len(whole), 97):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        with pytest.raises(BadInput, match=r"a\.jsonl\.gz is not an OSV export"):
            read_export("a.jsonl.gz", damaged)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"id": 1}', b"PK\x03\x04", b"\x1f\x8b\x08", b'{"id": "A"}'])
def test_what_is_no_export_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"a\.jsonl"):
        read_export("a.jsonl", content)


def test_a_record_is_withdrawn_only_by_a_time() -> None:
    """What is withdrawn is left out, which could hide an advisory."""
    records = [{"id": "A", "modified": "2026-01-01", "withdrawn": True}, {"id": "B", "modified": "2026-01-01"}]
    with pytest.raises(BadInput, match="withdrawn of A is True, not a time"):
        read_export("a.json", json.dumps(records).encode())


RANGE: JsonObject = {
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.2"}, {"fixed": "1.5"}, {"introduced": "2.0"}]}]
}


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.1", False), ("1.2", True), ("1.4.9", True), ("1.5rc1", True), ("1.5", False), ("1.9", False), ("2.0", True), ("9", True)],
)  # fmt: skip
def test_a_range_has_a_beginning_and_an_end(version: str, affected: bool) -> None:
    assert is_affected(RANGE, version) is affected


def test_the_last_affected_version_is_affected() -> None:
    span: JsonObject = {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"last_affected": "1.4"}]}]}
    assert is_affected(span, "1.4")
    assert is_affected(span, "0.0.1a1")
    assert not is_affected(span, "1.4.1")


def test_a_version_that_cannot_be_compared_is_affected_unless_the_list_says_otherwise() -> None:
    assert is_affected(RANGE, "not-a-version")
    assert not is_affected({**RANGE, "versions": ["1.2"]}, "not-a-version")
    assert is_affected({"versions": ["1.0"]}, "1.0.0")


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_inside_is_what_the_order_of_versions_says(first: int, second: int, minor: int) -> None:
    low, high = sorted((first, second))
    span: JsonObject = {"ranges": [{"type": "SEMVER", "events": [{"introduced": f"1.{low}"}, {"fixed": f"1.{high}"}]}]}
    here = f"1.{minor}"
    assert is_affected(span, here) is (Version(f"1.{low}") <= Version(here) < Version(f"1.{high}"))


def test_a_range_that_begins_with_a_version_that_cannot_be_compared_may_have_begun_anywhere() -> None:
    events: list[Json] = [{"introduced": "2.0.0-canary.7.1"}, {"fixed": "2.1.0"}]
    affected: JsonObject = {"ranges": [{"type": "SEMVER", "events": events}]}
    assert is_affected(affected, "2.0.5")
    assert not is_affected(affected, "2.1.0")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"affected": ["jinja2"]}, "affected is not an array of objects"),
        ({"affected": "jinja2"}, "affected is not an array"),
        ({"affected": [{"package": "jinja2"}]}, "package is not an object"),
        ({"affected": [{"package": PACKAGE, "versions": "2.10"}]}, "versions is not an array"),
        ({"affected": [{"package": PACKAGE, "ranges": [1]}]}, "ranges is not an array of objects"),
        (
            {"affected": [{"package": PACKAGE, "ranges": [{"type": "ECOSYSTEM", "events": {"introduced": "0"}}]}]},
            "events is not an array",
        ),
        ({"affected": {}}, "affected is not an array"),
        ({"affected": [{"package": PACKAGE, "ranges": {}}]}, "ranges is not an array"),
        (
            {"affected": [{"package": PACKAGE, "ranges": [{"events": [{"introduced": "0"}]}]}]},
            "the type of a range is None",
        ),
        (
            {"affected": [{"package": PACKAGE, "ranges": [{"type": "PYPI", "events": [{"introduced": "0"}]}]}]},
            "the type of a range is 'PYPI', not one of ECOSYSTEM, SEMVER, GIT",
        ),
        ({"aliases": "CVE-2019-10906"}, "aliases is not an array"),
        ({"database_specific": "HIGH"}, "database_specific is not an object"),
    ],
)
def test_a_record_that_is_not_as_the_schema_says_is_refused_by_its_id(changes: dict[str, Any], words: str) -> None:
    """To leave it out could hide an advisory."""
    record = {"id": "X-1", "modified": "2026-01-01", "affected": [{"package": PACKAGE, "versions": ["2.10"]}]} | changes
    export = read_export("a.json", json.dumps(record).encode())
    with pytest.raises(BadInput) as refused:
        match(export, {"jinja2": "2.10"}, "PyPI")
    assert refused.value.message.startswith(f"the OSV record X-1 is malformed: {words}")


def test_a_record_may_leave_out_what_the_schema_does_not_demand() -> None:
    record = {"id": "X-1", "modified": "2026-01-01", "affected": [{"package": PACKAGE, "versions": ["2.10"]}]}
    (row,) = match(read_export("a.json", json.dumps(record).encode()), {"jinja2": "2.10"}, "PyPI")
    assert row == {
        "package": "jinja2",
        "version": "2.10",
        "id": "X-1",
        "aliases": [],
        "severity": "UNKNOWN",
        "fixed": [],
    }

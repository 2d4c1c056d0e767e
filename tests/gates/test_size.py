"""Size: something was built, and it is not too large."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.size import Options, parse_size
from gates.samples import ask


def test_below_the_limit() -> None:
    verdict = ask("size", {"release.json": {"bytes": 123_456_789}})
    assert (verdict.result, verdict.measured, verdict.limit) == (
        "pass",
        "123.5 MB (123456789 bytes)",
        "< 500MB, not empty",
    )
    assert verdict.evidence == ("release.json",)


@pytest.mark.parametrize(
    ("size", "passes"), [(999, True), (1000, False), (1001, False), (1, True), (0, False), (-1, False)]
)
def test_the_limit_itself_is_too_large_and_nothing_too_small(size: int, passes: bool) -> None:
    verdict = ask("size", {"release.json": {"bytes": size}}, max="1kB")
    assert verdict.passed is passes
    assert ("too large" in verdict.message) is (size >= 1000)
    assert ("left nothing" in verdict.message) is (size <= 0)


@pytest.mark.parametrize(
    ("text", "size"), [("7B", 7), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), (" 2KB ", 2000)]
)
def test_a_size_is_read_in_decimal_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "500", "MB", "-1MB", "500MiB", "1e3MB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match="write it like 500MB"):
        Options(max=text)


def test_no_file_is_no_data() -> None:
    assert ask("size", {}).result == "no_data"


@pytest.mark.parametrize(
    "content", ["", "{", [], {}, {"bytes": "1"}, {"bytes": None}, {"bytes": True}, '{"bytes": NaN}', '{"bytes": -1e999}'],
    ids=["empty", "cut", "list", "nothing", "text", "null", "true", "nan", "infinite"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("size", {"release.json": content}).result == "error"

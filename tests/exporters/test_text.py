"""YAML that readers of both versions understand alike."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from dawsos.exporters.text import MARK, header, yaml_text


def read(text: str, version: tuple[int, int]) -> object:
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    return list(reader.load_all(text))


def test_the_file_begins_with_who_made_it() -> None:
    text = yaml_text("github_actions", {"name": "deploy"}, comment=["What it does.", ""])
    assert text.splitlines() == [f"# {header('github_actions')}", "# What it does.", "#", "name: deploy"]
    assert "`dawsos export github-actions`" in text
    assert text.startswith(f"# {MARK}")


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "on",
        "N",
        "12:30",
        "1_000",
        "0x1f",
        "1e5",
        "3.10",
        "007",
        "<<",
        "true",
        "null",
        "~",
        "",
        " x",
        "a: b",
        "# c",
    ],
)
def test_a_text_stays_a_text_in_both_versions_of_yaml(value: str) -> None:
    text = yaml_text("alerts", {"key": value, "list": [value]})
    assert read(text, (1, 1)) == read(text, (1, 2)) == [{"key": value, "list": [value]}]


def test_numbers_and_truth_values_stay_what_they_are() -> None:
    value: dict[str, object] = {"a": 1, "b": 0.5, "c": True, "d": None, "e": {}, "f": []}
    text = yaml_text("alerts", value)
    assert read(text, (1, 1)) == read(text, (1, 2)) == [value]


def test_lines_are_a_block_and_long_ones_are_not_folded() -> None:
    long = "word " * 200 + "end"
    text = yaml_text("alerts", {"run": "set -e\ndawsos ship\n", "long": long})
    assert "run: |\n  set -e\n  dawsos ship\n" in text
    assert f"long: {long}\n" in text


def test_the_order_of_keys_stays_and_nothing_becomes_an_alias() -> None:
    same = {"z": [1, 2]}
    text = yaml_text("alerts", {"b": same, "a": same}, {"second": same})
    assert "&" not in text
    assert text.index("b:") < text.index("a:") < text.index("second:")
    assert text.count("\n---\n") == 1


@pytest.mark.parametrize(
    "value", ["a\r\nb", "a\x85b", "a\u2028b\nc", "\x7f\n", "\x01", "\ufeff\n", "\n .5", " a\n\tb", "# c\n--- \n"]
)
def test_no_sign_ends_a_line_or_makes_the_file_unreadable(value: str) -> None:
    text = yaml_text("alerts", {"key": value, "list": [value]})
    assert read(text, (1, 1)) == read(text, (1, 2)) == [{"key": value, "list": [value]}]


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_a_text_does_not_go_on_behind_its_comment(end: str) -> None:
    text = yaml_text("alerts", {"key": 1}, comment=[f"reads /metrics{end}evil: true"])
    assert read(text, (1, 1)) == read(text, (1, 2)) == [{"key": 1}]

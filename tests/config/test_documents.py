"""Foreign YAML: values, lines, and one message for what is no YAML."""

from __future__ import annotations

import pytest

from dawsos.config.documents import Documents, is_version_1, parse
from dawsos.errors import BadInput

TEXT = "kind: A\nspec:\n  list:\n    - one\n    - {name: two}\n---\nkind: B\n"


def test_values_and_lines() -> None:
    documents = Documents(TEXT, "x.yaml")
    assert [value["kind"] for value in documents.values] == ["A", "B"]
    assert documents.line((0, "spec", "list", 1)) == 5
    assert documents.line((1, "kind")) == 7
    assert documents.line((0, "spec", "gone")) == 2


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", r"x\.yaml:1:5: not valid YAML"), ("", "no mapping"), ("- 1", "no mapping")]
)
def test_what_is_no_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Documents(text, "x.yaml")


def test_a_manifest_and_a_pipeline_that_are_no_yaml_are_refused_in_the_same_words() -> None:
    with pytest.raises(BadInput) as manifest:
        Documents("a: [\n", "x.yaml")
    with pytest.raises(BadInput) as pipeline:
        parse("a: [\n", "x.yaml")
    assert str(manifest.value) == str(pipeline.value)


@pytest.mark.parametrize(
    ("version", "old"), [(1, True), (1.0, True), (True, False), ("1", False), (2, False), (None, False)]
)
def test_a_file_is_of_version_1_when_it_says_the_number(version: object, old: bool) -> None:
    assert is_version_1({"version": version}) is old


@pytest.mark.parametrize("deep", ["[" * 5000 + "]" * 5000, "{a: " * 5000 + "1" + "}" * 5000, "- " * 5000 + "1"])
def test_what_lies_too_deep_within_one_another_is_refused_in_one_line(deep: str) -> None:
    with pytest.raises(BadInput, match=r"x\.yaml: lists or mappings lie too deep within one another") as raised:
        parse(f"a:\n  {deep}\n", "x.yaml")
    assert str(raised.value).count("\n") == 1

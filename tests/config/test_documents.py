"""Foreign YAML: values, lines, and one message for what is no YAML."""

from __future__ import annotations

import pytest

from dawsos.config.documents import Documents
from dawsos.errors import BadInput

TEXT = "kind: A\nspec:\n  list:\n    - one\n    - {name: two}\n---\nkind: B\n"


def test_values_and_lines() -> None:
    documents = Documents(TEXT, "x.yaml")
    assert [value["kind"] for value in documents.values] == ["A", "B"]
    assert documents.line((0, "spec", "list", 1)) == 5
    assert documents.line((1, "kind")) == 7
    assert documents.line((0, "spec", "gone")) == 2


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", r"x\.yaml:\d+: not valid YAML"), ("", "no mapping"), ("- 1", "no mapping")]
)
def test_what_is_no_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Documents(text, "x.yaml")

"""What the journal keeps of a fact: nothing that is None, and for a key without a value the default of the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

from dawsos.model.facts.base import Fact, Unknown, mapping, texts


@dataclass(frozen=True)
class Made(Fact):
    KIND: ClassVar[str] = "made"
    name: str
    files: tuple[str, ...] = texts()
    digests: Mapping[str, str] = mapping()
    late: float | None = None


def test_a_body_leaves_out_what_is_none_and_is_read_back() -> None:
    made = Made("a", ("x", "y"), {"x": "1"})
    assert made.body() == {"name": "a", "files": ("x", "y"), "digests": {"x": "1"}}
    assert Made.read({"name": "a", "files": ["x", "y"], "digests": {"x": "1"}, "newer": 1}) == made
    assert Made.read({"name": "a"}) == Made("a")
    with pytest.raises(TypeError):
        Made.read({})


def test_an_unknown_fact_keeps_its_name_and_body() -> None:
    fact = Unknown("of_a_newer_version", {"a": None})
    assert (fact.kind, fact.body()) == ("of_a_newer_version", {"a": None})

"""The choice of a kind: what nobody knows is refused with what is known, what several know is said."""

from __future__ import annotations

import pytest

from dawsos.adoption import kinds
from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.kinds import KINDS, draft
from dawsos.errors import BadInput

PYTHON = {"pyproject.toml": "[project]\nname = 'shop'\n", "shop/__init__.py": ""}


def test_a_project_is_drafted_by_the_kind_that_knows_it() -> None:
    assert draft(Tree.of("shop", PYTHON), Answers()).kind == "python"


def test_what_no_kind_knows_is_refused_with_the_kinds_that_there_are() -> None:
    with pytest.raises(BadInput, match="nothing in shop says what kind of project it is: python"):
        draft(Tree.of("shop", {"README": "hello"}), Answers())
    with pytest.raises(BadInput, match="--kind cobol is not known"):
        draft(Tree.of("shop", PYTHON), Answers(kind="cobol"))
    assert all(kind(Tree.of("shop", {"README": "hello"}), Answers()) is None for kind in KINDS.values())


def test_a_project_of_two_kinds_is_drafted_as_the_first_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Draft("other", "shop", (), ("lint",), ("",))
    monkeypatch.setitem(kinds.KINDS, "other", lambda tree, answers: other)
    first = draft(Tree.of("shop", PYTHON), Answers())
    assert (first.kind, first.missing[-1]) == (
        "python",
        "it is a other project too, and the pipeline is for python: dawsos init --kind other",
    )
    assert draft(Tree.of("shop", PYTHON), Answers(kind="other")) == other

"""The tree of a project: what is there, what matches, and what a file that is not there reads as."""

from __future__ import annotations

from dawsos.adoption.contract import Draft, Tree

TREE = Tree.of("shop", {"b/c/d.sql": "select 1", "a.py": "", "b/x.py": "x = 1"})


def test_paths_are_sorted_and_a_file_that_is_not_there_is_empty() -> None:
    assert TREE.paths == ("a.py", "b/c/d.sql", "b/x.py")
    assert (TREE.text("b/x.py"), TREE.text("nothing")) == ("x = 1", "")
    assert TREE.has("a.py")
    assert not TREE.has("b")


def test_paths_are_found_by_name_by_pattern_and_by_folder() -> None:
    assert TREE.first("z.py", "b/x.py", "a.py") == "b/x.py"
    assert TREE.first("z.py") == ""
    assert TREE.named("c/*.sql") == ["b/c/d.sql"]
    assert TREE.named("*.py") == ["a.py", "b/x.py"]
    assert TREE.folders == {"b", "b/c"}


def test_a_draft_is_changed_into_another_one() -> None:
    draft = Draft("node", "shop", (), (), ())
    assert draft.changed(missing=("tests",)).missing == ("tests",)
    assert draft.missing == ()

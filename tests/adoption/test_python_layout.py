"""Where projects of each layout have their code and their tests."""

from __future__ import annotations

import pytest

from dawsos.adoption.contract import Tree
from dawsos.adoption.python_layout import files_of_tests, odd_names, packages, where_tests_are

LAYOUTS: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = [
    ("src", ("src/mine/__init__.py", "tests/test_it.py", "docs/conf.py"), ("src/mine",), "tests"),
    ("flat", ("mine/__init__.py", "docs/__init__.py", "test/test_it.py"), ("mine",), "test"),
    ("two packages", ("a/__init__.py", "b/__init__.py", "a/sub/__init__.py"), ("a", "b"), ""),
    ("inside", ("mine/__init__.py", "mine/tests/test_it.py", "mine/tests/deep/test_more.py"), ("mine",), "mine/tests"),
    ("inside two", ("a/__init__.py", "a/test/test_x.py", "b/__init__.py", "b/test/test_y.py"), ("a", "b"), "a/test b/test"),
    ("beside the code", ("mine/__init__.py", "mine/core/test_it.py", "mine/test_more.py"), ("mine",), "mine mine/test_more.py"),
    ("one module", ("one.py", "setup.py", "test_one.py"), ("one.py",), "test_one.py"),
    ("module in src", ("src/one.py", "tests/one_test.py"), ("src/one.py",), "tests"),
    ("unittest", ("mine/__init__.py", "tests/testmine.py"), ("mine",), "tests"),
    ("folder of its own", ("mine/__init__.py", "unit/a/test_it.py"), ("mine",), "unit"),
    ("none", ("mine/__init__.py", "tests/data.json", "docs/test_page.py"), ("mine",), ""),
    ("Django", ("manage.py", "site/__init__.py", "polls/__init__.py", "polls/tests.py"), ("polls", "site"), "polls/tests.py"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "paths", "code", "found"), LAYOUTS, ids=[row[0] for row in LAYOUTS])
def test_code_and_tests_are_found(name: str, paths: tuple[str, ...], code: tuple[str, ...], found: str) -> None:
    tree = Tree.of("folder", dict.fromkeys(paths, ""))
    assert (packages(tree), where_tests_are(tree)) == (code, found)


def test_names_that_only_unittest_takes_for_tests_are_seen() -> None:
    assert not odd_names(["tests/test_a.py", "tests/a_test.py"])
    assert odd_names(["tests/test_a.py", "tests/testb.py"])
    assert odd_names(["polls/tests.py"])
    assert files_of_tests(Tree.of("f", {"a/conftest.py": "", "a/tests.py": "", "a/latest.py": ""})) == ["a/tests.py"]

"""Where a Python project has its code and its tests.  Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dawsos.adoption.contract import Tree

_TEST_FOLDERS = ("tests", "test")
_NOT_CODE = {
    *_TEST_FOLDERS, "docs", "doc", "examples", "example", "scripts", "tools", "build", "dist", "bench", "benchmarks", "migrations",
}  # fmt: skip
_NOT_MODULES = ("setup.py", "conftest.py", "noxfile.py", "manage.py", "tasks.py", "fabfile.py")
# What unittest takes for tests, which has what pytest takes for them but for the last.
_TEST_FILE = re.compile(r"test[^/]*\.py|[^/]+_tests?\.py")
_PYTEST_FILE = re.compile(r"test_[^/]*\.py|[^/]+_test\.py")


def packages(tree: Tree) -> tuple[str, ...]:
    """Return the import packages below src, lib or at the top; a project of single modules has those."""
    for base in ("src/", "lib/", ""):
        found = [
            path.removesuffix("/__init__.py")
            for path in tree.paths
            if re.fullmatch(re.escape(base) + r"[A-Za-z_]\w*/__init__\.py", path)
        ]
        code = [path for path in found if path.rpartition("/")[2] not in _NOT_CODE]
        modules = [path for path in tree.paths if _is_module(path, base)]
        if code or (modules and base):
            return tuple(code or modules)
    return tuple(path for path in tree.paths if _is_module(path, ""))


def _is_module(path: str, base: str) -> bool:
    name = path.removeprefix(base)
    return bool(
        path.startswith(base)
        and re.fullmatch(r"[A-Za-z_]\w*\.py", name)
        and name not in _NOT_MODULES
        and not _TEST_FILE.fullmatch(name)
    )


def files_of_tests(tree: Tree) -> list[str]:
    """Return the files that a test runner would look into."""
    hidden = {"docs", "doc", "examples", "example", "build", "dist", "node_modules", "site-packages", "testdata"}
    return [
        path
        for path in tree.paths
        if _TEST_FILE.fullmatch(PurePosixPath(path).name) and not hidden & {*PurePosixPath(path).parts[:-1]}
    ]


def where_tests_are(tree: Tree) -> str:
    """Return where the tests are, as arguments of a test runner: folders first, single files else; empty without any."""
    files = files_of_tests(tree)
    for folder in _TEST_FOLDERS:
        if any(path.startswith(f"{folder}/") for path in files):
            return folder
    inside = sorted({found for path in files if (found := _test_folder(path))})
    if inside:
        return " ".join(one for one in inside if not any(one.startswith(f"{other}/") for other in inside))
    return " ".join(sorted({path.partition("/")[0] if path.count("/") > 1 else path for path in files}))


def _test_folder(path: str) -> str:
    """Return the outermost folder of tests that ``path`` lies in."""
    parts = PurePosixPath(path).parts
    for index, part in enumerate(parts[:-1]):
        if part in _TEST_FOLDERS:
            return "/".join(parts[: index + 1])
    return ""


def odd_names(files: list[str]) -> bool:
    """Return whether unittest takes some of ``files`` for tests, and pytest does not unless it is told."""
    return any(not _PYTEST_FILE.fullmatch(PurePosixPath(path).name) for path in files)

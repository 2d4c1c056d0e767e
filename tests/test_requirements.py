"""One list of what the tool needs, [project.dependencies]: the locks are made from it, and nothing else declares any."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements/tool.txt", "requirements/dev.txt")


def declared() -> list[Requirement]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [Requirement(one) for one in settings["project"]["dependencies"]]


def pinned(lock: str) -> list[Requirement]:
    """Return the lines of a lock as requirements; a package may have one pin for each version of Python."""
    return [Requirement(line) for line in re.findall(r"^([^\s#].*?) *\\?$", (ROOT / lock).read_text(), re.MULTILINE)]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("requirement", declared(), ids=lambda one: one.name)
def test_a_lock_has_what_is_declared(requirement: Requirement, lock: str) -> None:
    pins = [pin for pin in pinned(lock) if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    assert pins, f"run scripts/lock: {lock} lacks {requirement.name}"
    for pin in pins:
        (exact,) = pin.specifier
        assert requirement.specifier.contains(exact.version), f"run scripts/lock: {lock} has {pin}, not {requirement}"


def test_each_dependency_has_the_lowest_version_that_is_known_to_work() -> None:
    """An upper bound of ours would be an obstacle to whoever installs the tool beside something else."""
    assert [str(one) for one in declared() if [part.operator for part in one.specifier] != [">="]] == []


def test_the_tests_run_with_the_versions_that_the_tool_starts_with() -> None:
    # Markers are left out: the tests' lock needs some packages on more platforms.
    versions = [{(pin.name, str(pin.specifier)) for pin in pinned(lock)} for lock in LOCKS]
    assert versions[0] - versions[1] == set()


def test_the_wheel_is_built_with_what_the_development_lock_has() -> None:
    """So that it can be built without isolation, and without a version that nobody has locked."""
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {Requirement(one).name for one in backend} <= {pin.name for pin in pinned("requirements/dev.txt")}

"""The Python that a project asks for is found on PATH, tried, or its absence is said with what there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dawsos.adapters import interpreters
from dawsos.adapters.interpreters import chosen, find, named, own
from dawsos.errors import BadInput, InfrastructureError

HERE = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that alone is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    interpreters.named.cache_clear()
    yield tmp_path
    interpreters.named.cache_clear()


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_tools_own_python_is_taken_where_it_fits(folder: Path) -> None:
    assert find("") == find(">=3.11") == own()
    assert (own().version, own().full) == ("", HERE)


def test_another_one_is_found_on_path_the_newest_that_fits(folder: Path) -> None:
    program(folder / "python3.9", "echo 3.9.18")
    program(folder / "python3.8", "echo 3.8.18")
    found = find(">=3.8,<3.10")
    assert (found.path, found.version, found.full) == (str(folder / "python3.9"), "3.9", "3.9.18")
    assert chosen("3.8").full == "3.8.18"


def test_what_does_not_run_is_not_there_as_a_shim_that_leads_nowhere(folder: Path) -> None:
    program(folder / "python3.9", "echo 'python3.9: command not found' >&2; exit 127")
    assert named("3.9") is None
    with pytest.raises(BadInput, match=rf"needs Python <3\.10, and here is {HERE}"):
        find("<3.10")
    with pytest.raises(InfrastructureError, match=r"no python3\.9 on PATH that runs"):
        chosen("3.9")


def test_a_version_that_nobody_can_read_is_refused_with_its_words() -> None:
    with pytest.raises(BadInput, match="requires-python is 'three'"):
        find("three")

"""The lists of a first pipeline, from what pip reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dawsos.adoption.resolving import Locked, Resolver, _needed_itself, list_text, locked
from dawsos.errors import BadInput


def row(name: str, digest: str = "", *needs: str) -> dict[str, Any]:
    archive = {"archive_info": {"hashes": {"sha256": digest}}} if digest else {"dir_info": {}}
    return {"metadata": {"name": name, "version": "1.0", "requires_dist": list(needs)}, "download_info": archive}


def test_the_project_itself_is_not_locked_but_its_published_self_is_when_a_tool_needs_it() -> None:
    rows = [row("requests", "aa", "idna<4,>=2.5"), row("Idna"), row("attrs", "bb")]
    assert _needed_itself(rows) == ["Idna"]
    assert _needed_itself([row("click", "aa"), row("mine")]) == []
    assert list_text(locked(rows, {}).values(), "Made.").splitlines() == [
        "# Made.", "attrs==1.0 --hash=sha256:bb", "requests==1.0 --hash=sha256:aa",
    ]  # fmt: skip


def test_the_digests_are_those_of_the_projects_own_lock() -> None:
    allowed = {"attrs": frozenset({"bb", "cc"})}
    found = locked([row("attrs", "bb"), row("pytest", "dd")], allowed)
    assert found == {
        "attrs": Locked("attrs", "1.0", frozenset({"bb", "cc"})),
        "pytest": Locked("pytest", "1.0", frozenset({"dd"})),
    }
    assert "attrs==1.0 --hash=sha256:bb --hash=sha256:cc" in list_text(found.values(), "Made.")
    with pytest.raises(BadInput, match=r"attrs 1\.0 has a digest that the project's lock does not have"):
        locked([row("attrs", "ee")], allowed)


def test_the_project_and_its_lists_are_named_by_where_they_are() -> None:
    resolver = Resolver(Path("/shop"), "python")
    assert resolver._words(".") == ("/shop",)
    assert resolver._words(".[test]") == ("/shop[test]",)
    assert resolver._words("-r requirements.txt") == ("-r", "/shop/requirements.txt")
    assert resolver._words("flask>=3") == ("flask>=3",)


def test_nothing_that_is_needed_is_an_empty_list() -> None:
    assert asyncio.run(Resolver(Path("/shop"), "python").resolve([])) == {}

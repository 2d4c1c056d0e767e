"""The lists of a first pipeline, from what pip reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from dawsos.adoption.resolving import _needed_itself, _words, pins, resolve


def row(name: str, digest: str = "", *needs: str) -> dict[str, Any]:
    archive = {"archive_info": {"hashes": {"sha256": digest}}} if digest else {"dir_info": {}}
    return {"metadata": {"name": name, "version": "1.0", "requires_dist": list(needs)}, "download_info": archive}


def test_the_project_itself_is_not_locked_but_its_published_self_is_when_a_tool_needs_it() -> None:
    rows = [row("requests", "aa", "idna<4,>=2.5"), row("Idna"), row("attrs", "bb")]
    assert _needed_itself(rows) == ["Idna"]
    assert _needed_itself([row("click", "aa"), row("mine")]) == []
    assert pins(rows).splitlines()[1:] == ["attrs==1.0 --hash=sha256:bb", "requests==1.0 --hash=sha256:aa"]


def test_the_project_and_its_lists_are_named_by_where_they_are() -> None:
    root = Path("/shop")
    assert _words(root, ".") == ("/shop",)
    assert _words(root, ".[test]") == ("/shop[test]",)
    assert _words(root, "-r requirements.txt") == ("-r", "/shop/requirements.txt")
    assert _words(root, "flask>=3") == ("flask>=3",)


def test_nothing_that_is_needed_is_an_empty_list() -> None:
    assert asyncio.run(resolve(Path("/shop"), [])).splitlines()[1:] == []

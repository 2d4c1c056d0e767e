"""``dawsos scan`` as a step calls it; what the scanners find is in ``verbs/test_scan.py``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dawsos.cli.grammar import VERBS
from projects import called

SCANNERS = sorted(verb.name.removeprefix("scan ") for verb in VERBS if verb.name.startswith("scan "))


def test_there_is_a_scanner_for_each_kind_of_evidence() -> None:
    assert SCANNERS == ["advisories", "packages", "secrets"]


@pytest.mark.parametrize("name", SCANNERS)
def test_each_explains_itself_with_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = called(monkeypatch, capsys, "scan", name, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"Example: dawsos scan {name}" in " ".join(said.out.split())


def test_what_a_scanner_found_is_where_it_was_told_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site").mkdir()
    out = tmp_path / "sbom.json"
    assert called(monkeypatch, capsys, "scan", "packages", str(tmp_path / "site"), "--out", str(out)).code == 0
    assert "SPDX" in json.dumps(json.loads(out.read_text()))

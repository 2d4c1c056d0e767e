"""The projects that the verbs are tried on: one whose steps really run, one whose environments are on paper, and one to ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import TinyProject
from support.paper import Paper
from verbs.on_paper import Shipping, given_to_verbs


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    return Shipping(tmp_path / "project", monkeypatch)


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return given_to_verbs(Paper(tmp_path / "project"), monkeypatch)

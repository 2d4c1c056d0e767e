"""Tiny real projects: a folder of ``tests/pipelines`` as a git repository of its own, and the command line called in it."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dawsos.cli.main import main

PIPELINES = Path(__file__).parent / "pipelines"


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class TinyProject:
    """One folder of ``tests/pipelines`` in a temporary repository with one commit."""

    def __init__(
        self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.path = folder / name
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        shutil.copytree(PIPELINES / name, self.path)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")
        monkeypatch.chdir(self.path)
        monkeypatch.delenv("DAWSOS_HOME", raising=False)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.path, check=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def dawsos(self, *arguments: str) -> Said:
        """Call the command line as a shell would, in this process, which is quicker and lets coverage see it."""
        return called(self._monkeypatch, self._capsys, *arguments)


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """Return what ``dawsos ARGUMENTS`` said."""
    monkeypatch.setattr(sys, "argv", ["dawsos", *arguments])
    capsys.readouterr()
    code: Any = 0
    with warnings.catch_warnings():
        # The journal's connection ends with the process, which here goes on.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        gc.collect()
    said = capsys.readouterr()
    return Said(int(code or 0), said.out, said.err)

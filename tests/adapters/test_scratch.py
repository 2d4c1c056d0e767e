"""A folder is gone with who made it; one whose maker was killed goes with the next run, and no other ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dawsos.adapters.scratch import OWNED, owned_folder, sweep

_HOLD = """
import sys, time
from pathlib import Path
from dawsos.adapters.scratch import owned_folder
with owned_folder(Path(sys.argv[1]), "build-") as folder:
    (folder / "site").mkdir()
    print(folder, flush=True)
    time.sleep(60)
"""


def aged(folder: Path) -> Path:
    """Let ``folder`` be an hour old."""
    os.utime(folder, (time.time() - 3600,) * 2)
    return folder


def left(parent: Path, name: str) -> Path:
    folder = parent / name
    (folder / "site").mkdir(parents=True)
    return aged(folder)


def test_it_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with owned_folder(tmp_path / "deep", "build-") as folder:
        assert folder.is_dir()
        assert (folder.name.startswith("build-"), folder.suffix) == (True, OWNED)
        assert folder.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "deep").iterdir()) == []
    with pytest.raises(KeyError), owned_folder(tmp_path / "deep", "build-"):
        raise KeyError
    assert list((tmp_path / "deep").iterdir()) == []


def test_what_was_renamed_is_kept(tmp_path: Path) -> None:
    with owned_folder(tmp_path, "build-") as folder:
        folder.rename(tmp_path / "release")
    assert (tmp_path / "release").is_dir()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
    with holder:
        try:
            assert holder.stdout is not None
            folder = aged(Path(holder.stdout.readline().strip()))
            places = [(tmp_path, "build-*")]
            assert sweep(places) == []
            assert (folder / "site").exists()
        finally:
            holder.kill()
    told: list[Path] = []
    assert sweep(places, told.append) == told == [folder]
    assert not folder.exists()


def test_nothing_else_is_ever_removed(tmp_path: Path) -> None:
    young = tmp_path / f"build-young{OWNED}"
    young.mkdir()
    foreign = left(tmp_path, "build-of-an-older-dawsos")
    other = left(tmp_path, f"other{OWNED}")
    target = left(tmp_path / "elsewhere", "kept")
    (tmp_path / f"build-link{OWNED}").symlink_to(target)
    (tmp_path / f"build-file{OWNED}").touch()
    old = left(tmp_path, f"build-old{OWNED}")
    assert sweep([(tmp_path, "build-*"), (tmp_path / "nowhere", "*")]) == [old]
    assert all(path.exists() for path in (young, foreign, other, target / "site"))


def test_what_belongs_to_somebody_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = left(tmp_path, f"build-old{OWNED}")
    monkeypatch.setattr("dawsos.adapters.scratch.os.geteuid", lambda: os.getuid() + 1)
    assert sweep([(tmp_path, "*")]) == []
    assert old.exists()

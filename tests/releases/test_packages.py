"""What is locked is installed once, by the real pip from wheels made here, and copied for the next build."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from adapters.wheels import wheels
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import tool_environment
from dawsos.errors import ReleaseFailed
from dawsos.model.process import Command, CommandOutcome
from dawsos.releases import packages


class Counting:
    """The real runner, and which words of pip or compileall it was given."""

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self._runner = ProcessRunner(SystemClock(), Masker())

    async def run(self, command: Command) -> CommandOutcome:
        self.verbs.append(next(word for word in command.argv if word in ("install", "compileall")))
        return await self._runner.run(command)


class Builder:
    """Installs locks below ``folder`` and says what was run for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept"
        self._number = 0

    def lock(self, **versions: str) -> Path:
        """Write a wheel of one module for each package, and a lock of them all."""
        folder = self.folder / "-".join(versions.values())
        return wheels(folder, {name: {f"{name}/__init__.py": f"VERSION = '{of}'\n"} for name, of in versions.items()})

    def install(self, lock: Path) -> tuple[Path, list[str]]:
        """Return the new site and the verbs that were run."""
        self._number += 1
        site, runner = self.folder / f"site-{self._number}", Counting()
        pip = packages.Pip(Path(sys.executable), tool_environment(self.folder), self.folder / "log", runner)
        asyncio.run(packages.install(lock, site, kept=self.kept, pip=pip))
        return site, runner.verbs


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_the_second_build_of_a_lock_copies_what_the_first_installed(builder: Builder) -> None:
    lock = builder.lock(alpha="1.0", beta="2.0")
    first, verbs = builder.install(lock)
    assert verbs == ["install", "compileall"]
    assert (first / "alpha" / "__init__.py").read_text() == "VERSION = '1.0'\n"
    second, verbs = builder.install(lock)
    assert verbs == []
    manifest = packages.tree_manifest(first)
    assert any(name.startswith("alpha/__pycache__/") for name in manifest)
    assert not any(name.endswith("RECORD") for name in manifest)
    assert packages.tree_manifest(second) == manifest
    # What a build does with its copy is no matter of the next.
    (second / "alpha" / "__init__.py").write_text("VERSION = 'mine'\n")
    assert packages.tree_manifest(builder.install(lock)[0]) == manifest


@pytest.mark.parametrize("how", ["byte", "added", "removed", "manifest"])
def test_a_copy_that_was_altered_is_installed_anew(builder: Builder, how: str) -> None:
    lock = builder.lock(alpha="1.0")
    manifest = packages.tree_manifest(builder.install(lock)[0])
    (kept,) = builder.kept.iterdir()
    module = kept / "site" / "alpha" / "__init__.py"
    match how:
        case "byte":
            module.write_text("VERSION = '6.6'\n")
        case "added":
            (module.parent / "more.py").write_text("import os\n")
        case "removed":
            module.unlink()
        case "manifest":
            (kept / "manifest.json").write_text("{")
    site, verbs = builder.install(lock)
    assert verbs == ["install", "compileall"]
    assert packages.tree_manifest(site) == manifest
    assert builder.install(lock)[1] == []


def test_another_lock_is_another_copy_and_the_last_three_that_were_used_are_kept(builder: Builder) -> None:
    locks = [builder.lock(alpha=f"{number}.0") for number in range(1, 5)]
    for age, lock in zip((400, 300, 200), locks, strict=False):
        site, _ = builder.install(lock)
        (newest,) = [path for path in builder.kept.iterdir() if path.stat().st_mtime > 1e9]
        os.utime(newest, (1e6 - age, 1e6 - age))
    assert builder.install(locks[0])[1] == [], "the oldest is used again, so it is the newest"
    site, _ = builder.install(locks[3])
    assert (site / "alpha" / "__init__.py").read_text() == "VERSION = '4.0'\n"
    assert len(list(builder.kept.iterdir())) == 3
    assert builder.install(locks[0])[1] == []
    assert builder.install(locks[2])[1] == []
    assert builder.install(locks[1])[1] != [], "used longest ago"


def test_what_is_not_as_locked_is_the_releases_fault_and_nothing_of_it_is_kept(builder: Builder) -> None:
    lock = builder.lock(alpha="1.0")
    lock.write_text(lock.read_text()[:-5] + "0000\n")
    with pytest.raises(ReleaseFailed, match="DO NOT MATCH THE HASHES"):
        builder.install(lock)
    assert list(builder.kept.iterdir()) == []


def test_a_file_that_may_be_executed_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("true\n")
    plain = packages.tree_manifest(tmp_path)
    (tmp_path / "run").chmod(0o755)
    assert packages.tree_manifest(tmp_path)["run"] == "x" + plain["run"]


def test_what_names_the_place_or_the_minute_is_removed(tmp_path: Path) -> None:
    info = tmp_path / "demo-1.dist-info"
    for path in (tmp_path / "bin" / "demo", info / "RECORD", info / "direct_url.json", info / "METADATA"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "app" / "__pycache__").mkdir(parents=True)
    packages.strip(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        "demo-1.dist-info/METADATA"
    ]
    assert not (tmp_path / "app" / "__pycache__").exists()

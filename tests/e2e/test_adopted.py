"""An environment that an older version of the tool started is read, rolled out to, rolled back and taken down by this one.

The older version is a commit of this repository, run in the environment of its own lock; nothing of this checkout is on its path.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawsos.adapters import toolchain
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.load import OpenLoopLoad
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.policy import Load, LoadRequest
from e2e.clone import ROOT, Clone, Said, git, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

# The last commit before files had versions and environments were in pipeline.yaml.
OLDER = "9091e4c"
_PIPELINES = ROOT / "tests" / "pipelines"
_BUILDING = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
_SUPERVISOR = "dawsos.platforms.local.supervisor"
_WITHIN = 120.0
_RATE = 50.0


@dataclass
class Tool:
    """The older version: its source and the Python of its own environment."""

    source: Path
    python: Path

    def start(self, project: Path, *arguments: str) -> subprocess.Popen[str]:
        variables = {**toolchain.tool_environment(project), "PYTHONPATH": str(self.source), "COLUMNS": "200"}
        return subprocess.Popen(
            [str(self.python), "-m", "dawsos.cli", *arguments], cwd=project, env=variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def dawsos(self, project: Path, *arguments: str) -> Said:
        """Run a command of the older version; it must end with 0."""
        with self.start(project, *arguments) as process:
            try:
                out, err = process.communicate(timeout=_WITHIN)
            finally:
                process.kill()
        assert process.returncode == 0, f"{OLDER}: dawsos {' '.join(arguments)} ended {process.returncode}:\n{out}{err}"
        return Said(process.returncode, out, err)


@dataclass
class Shop:
    """A project that the older version has shipped; ``folder`` has the older version as well."""

    folder: Path
    clone: Clone
    tool: Tool

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the project and of the older version."""
        return Clone(self.folder).processes()

    def down(self) -> None:
        """Take everything down with this version, and see that no process of either is left and no environment."""
        before = self.processes()
        assert len(before) > 10, before
        self.clone.dawsos("down", "--purge", check=0)
        assert [process.cmdline() for process in self.processes()] == []
        assert [process.pid for process in before if _lives(process)] == []
        assert list(self.clone.path.glob(".dawsos/environments/*")) == []


def _older(folder: Path) -> Tool:
    known = subprocess.run(["git", "cat-file", "-e", f"{OLDER}^{{commit}}"], cwd=ROOT, capture_output=True, check=False)
    if known.returncode:
        pytest.skip(f"needs commit {OLDER}, and this is no whole clone: git fetch --unshallow")
    folder.mkdir()
    archive = subprocess.run(
        ["git", "archive", OLDER, "src", "requirements/tool.txt"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    runner = ProcessRunner(SystemClock(), Masker())
    made = toolchain.ensure(folder / "requirements" / "tool.txt", ROOT / ".dawsos" / "toolchains", runner)
    return Tool(folder / "src", asyncio.run(made) / "bin" / "python")


@contextmanager
def shipped(folder: Path, services: str = "[postgres, redis]") -> Iterator[Shop]:
    """A shop in ``folder`` that the older version has shipped, all of which is gone after the block."""
    older, path = _older(folder / "older"), folder / "shop"
    for source in ("adopter", "older"):
        shutil.copytree(_PIPELINES / source, path, dirs_exist_ok=True)
    locks = (ROOT / "requirements" / "dev.txt").read_text()
    found = [re.search(rf"^{package}==.*?(?=^\S|\Z)", locks, re.MULTILINE | re.DOTALL) for package in _BUILDING]
    (path / "tools.txt").write_text("".join(one.group() for one in found if one))
    git(folder, "init", "--quiet", "--initial-branch=main", str(path))
    # What the tool keeps is not committed, as its own .gitignore has it from its first command on.
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "exclude").write_text(".dawsos/\n")
    (path / ".dawsos").mkdir()
    (path / ".dawsos" / "toolchains").symlink_to(ROOT / ".dawsos" / "toolchains")
    made = Shop(folder, Clone(path), older)
    made.clone.edit("pipeline.yaml", "services: [postgres, redis]", f"services: {services}")
    made.clone.commit("the shop")
    try:
        older.dawsos(path, "ship")
        yield made
    finally:
        made.clone.end()
        left = made.processes()
        for process in left:
            process.kill()
    assert left == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shipped(tmp_path_factory.mktemp("adopted")) as made:
        yield made


def test_what_the_older_version_left_is_read(shop: Shop) -> None:
    seen = shop.tool.dawsos(shop.clone.path, "status", "--json").json()
    shown = shop.clone.dawsos("status", "--json", check=0).json()
    assert [env["name"] for env in shown["environments"]] == ["production", "staging"]
    for then, now in zip(seen["environments"], shown["environments"], strict=True):
        assert now["running"]
        assert (now["url"], now["roles"], now["weight"]) == (then["url"], then["roles"], then["weight"])
        assert _pids(now) == _pids(then)
    assert shown["unfinished"] == []

    (run,) = shop.clone.dawsos("history", "--json", check=0).json()
    assert (run["command"], run["result"]) == ("ship", "passed")
    told = shop.clone.show(run["run"])
    assert {name: stage["state"] for name, stage in told["stages"].items()} == {
        "build": "passed", "staging": "passed", "canary": "passed",
    }  # fmt: skip
    assert told["journal_problems"] == []
    assert told["rollout"]["outcome"] == "promoted"
    assert "promoted" in shop.clone.dawsos("show", check=0).out
    evidence = shop.clone.dawsos("evidence", run["run"], "--verify", "--json", check=0).json()
    assert evidence["problems"] == []


def test_it_is_rolled_out_to_rolled_back_and_taken_down(shop: Shop) -> None:
    clone, first = shop.clone, git(shop.clone.path, "rev-parse", "HEAD").strip()
    before, staging = clone.status(), _staging(clone)
    supervisors = [process for process in shop.processes() if _SUPERVISOR in process.cmdline()]
    assert len(supervisors) == 4
    wiring = _variables(before)
    assert clone.version() == first

    refused = clone.dawsos("ship")
    assert refused.code == 2
    assert "dawsos lint --fix" in refused.err

    def work() -> None:
        clone.dawsos("lint", "--fix", check=0)
        second = clone.commit("version 2 of pipeline.yaml")
        clone.dawsos("ship", check=0)
        after = clone.status()
        assert clone.version() == second
        # Who saw a new release come did not see anything else go.
        assert after["url"] == before["url"]
        assert after["roles"]["standby"] == before["roles"]["stable"]
        kept = {name: pid for name, pid in _pids(before).items() if not name.endswith(".clerk")}
        assert kept.items() <= _pids(after).items()
        backing = {name: pid for name, pid in _pids(staging).items() if "." not in name}
        assert backing.items() <= _pids(_staging(clone)).items()
        assert [process.pid for process in supervisors if _lives(process)] == []
        assert _variables(after) == wiring
        told = clone.show()["rollout"]
        assert (told["outcome"], told["weight"]) == ("promoted", 100)

        clone.dawsos("rollback", "--as", "Ada", "--reason", "the release of the older version again", check=0)
        assert clone.version() == first

    load = asyncio.run(_under_load(str(before["url"]), work))
    assert load.failures == {}
    assert load.skipped == 0
    assert load.sent > 5 * _RATE
    shop.down()


def test_a_rollout_that_it_left_is_resumed_and_all_is_taken_down(tmp_path: Path) -> None:
    with shipped(tmp_path, services="[redis]") as shop:
        clone, older = shop.clone, shop.tool
        before = clone.status()
        second = clone.commit("the next release")

        def work() -> None:
            with older.start(clone.path, "ship") as ship:
                try:
                    until(
                        lambda: ship.poll() is not None or clone.status()["weight"], _WITHIN, "the canary has traffic"
                    )
                finally:
                    ship.kill()
            left = clone.dawsos("status", "--json", check=0).json()["unfinished"]
            assert [(run["command"], run["owner"]) for run in left] == [("ship", None)]
            clone.dawsos("resume", check=0)
            told = clone.show()
            assert (told["id"], told["commit"], told["rollout"]["outcome"]) == (left[0]["run"], second, "promoted")
            assert told["journal_problems"] == []
            assert clone.version() == second
            kept = {name: pid for name, pid in _pids(before).items() if not name.endswith(".clerk")}
            assert kept.items() <= _pids(clone.status()).items()

        load = asyncio.run(_under_load(str(before["url"]), work))
        assert load.failures == {}
        assert load.skipped == 0
        # Nothing has begun to look after staging anew: it is taken down as the older version left it.
        supervisors = [process for process in shop.processes() if _SUPERVISOR in process.cmdline()]
        assert {str(older.python) in process.cmdline() for process in supervisors} == {True, False}
        shop.down()


async def _under_load(url: str, work: Callable[[], None]) -> OpenLoopLoad:
    """Send requests for as long as ``work`` takes."""
    load = OpenLoopLoad(url, Load(rate=_RATE, requests=(LoadRequest(path="/items"),)))
    await load.start()
    try:
        await asyncio.to_thread(work)
    finally:
        await load.stop()
    return load


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pids(environment: dict[str, Any]) -> dict[str, int]:
    return {process["name"]: process["pid"] for process in environment["processes"]}


def _staging(clone: Clone) -> dict[str, Any]:
    found: list[dict[str, Any]] = clone.dawsos("status", "--json", check=0).json()["environments"]
    return next(one for one in found if one["name"] == "staging")


def _variables(environment: dict[str, Any]) -> dict[str, str]:
    """Return what the environment gives to a replica of the stable release."""
    stable = environment["roles"]["stable"][:8]
    replica = next(pid for name, pid in _pids(environment).items() if name.startswith(stable) and name.endswith(".0"))
    kept = ("DATABASE_URL", "REDIS_URL", "TILL_SECRET", "LEDGER_DIR", "GREETING")
    variables = psutil.Process(replica).environ()
    return {name: variables[name] for name in kept}

"""A clone of this repository as a person has it: its files, its commands, its processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dawsos.adapters.http import get
from dawsos.cli import reading
from dawsos.runs.project import find_project
from dawsos.verbs.show import show
from dawsos.verbs.status import status

ROOT = Path(__file__).resolve().parents[2]
_SHIP_WITHIN = 900.0


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Clone:
    """``path`` is the working tree; everything that dawsos keeps is below ``path/.dawsos``."""

    path: Path
    first: Said | None = field(default=None)

    @classmethod
    def of_this_repository(cls, path: Path) -> Clone:
        """Clone what is committed here, with what is changed on top, so that a test never tests yesterday's code."""
        git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path))
        changed = git(ROOT, "diff", "HEAD", "--binary")
        if changed.strip():
            subprocess.run(["git", "apply", "--whitespace=nowarn"], cwd=path, input=changed, text=True, check=True)
        clone = cls(path)
        clone.commit("the working tree of the test") if changed.strip() else None
        # Toolchains are content-addressed and take minutes to download: the checkout's own are used, as a second run would.
        shared = ROOT / ".dawsos" / "toolchains"
        shared.mkdir(parents=True, exist_ok=True)
        (path / ".dawsos").mkdir()
        (path / ".dawsos" / "toolchains").symlink_to(shared)
        return clone

    def commit(self, message: str) -> str:
        """Commit everything, changed or not, and return the commit's hash."""
        git(self.path, "add", "--all")
        git(
            self.path, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "--quiet", "--allow-empty",
            "-m", message,
        )  # fmt: skip
        return git(self.path, "rev-parse", "HEAD").strip()

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there, by ``new`` in the file ``name``."""
        text = (self.path / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (self.path / name).write_text(text.replace(old, new, 1))

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Take back every commit and change made in the block."""
        good = git(self.path, "rev-parse", "HEAD").strip()
        try:
            yield
        finally:
            git(self.path, "reset", "--quiet", "--hard", good)

    def version(self) -> str:
        """Return the commit that production says it serves."""
        health = asyncio.run(get(f"{self.status()['url']}/health"))
        assert health["status_code"] == 200, health
        return str(health["body"]["version"])

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command without a terminal in the block; ended with it, so that a test that failed leaves nothing to the next one."""
        with subprocess.Popen(
            [sys.executable, "-m", "dawsos.cli", *arguments],
            cwd=self.path, env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.communicate(timeout=60)
                    process.kill()

    def dawsos(self, *arguments: str, check: int | None = None, **environment: str) -> Said:
        """Run a command to its end; ``check`` is the exit code it must have."""
        with self.running(*arguments, **environment) as process:
            out, err = process.communicate(timeout=_SHIP_WITHIN)
        if check is not None:
            assert process.returncode == check, (
                f"dawsos {' '.join(arguments)} ended {process.returncode}:\n{out}\n{err}"
            )
        return Said(process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        """Return what ``dawsos status --json`` says of production.

        Without a process, as below: these are asked hundreds of times, and a start takes a third of a second."""
        shown = status(find_project(self.path)).environments
        return _as_json(asdict(next(env for env in shown if env.name == "production")))

    def show(self, run: str = "last") -> dict[str, Any]:
        """Return what ``dawsos show --json`` says."""
        return _as_json(reading.run_json(show(find_project(self.path), run)))

    def processes(self) -> list[psutil.Process]:
        """Return every live process that has this clone in its command line or its working folder."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd()]
                if process.status() != psutil.STATUS_ZOMBIE and any(str(self.path) in word for word in words):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def strays(self) -> list[str]:
        """Return the command lines of this clone's processes that nobody looks after: neither supervised nor part of one that is."""
        environments = self.path / ".dawsos" / "environments"
        known = {
            json.loads(path.read_text())["pid"]
            for pattern in ("*/run/*.json", "*/keeper.json")
            for path in environments.glob(pattern)
        }
        found = []
        for process in self.processes():
            try:
                line = [process.pid, *(parent.pid for parent in process.parents())]
                if known.isdisjoint(line):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def nothing_left(self, when: str, within: float = 30.0) -> None:
        """Wait until nothing is left that nobody looks after; fails with what is."""
        deadline = time.monotonic() + within
        while left := self.strays():
            if time.monotonic() > deadline:
                raise AssertionError(f"{within:g} s after {when} there is still: " + "; ".join(left))
            time.sleep(0.1)

    def end(self) -> list[str]:
        """Stop everything of this clone and return the command lines of what `down` left, which is ended by pid."""
        refused = self.dawsos("down", "--purge").code
        left = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.append(" ".join(process.cmdline()))
                process.kill()
        if refused:
            # A ship was still under way, which a failed test had left.
            self.dawsos("down", "--purge")
        return left


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return ``value`` as a program reads it that asked for JSON."""
    read: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return read


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` and return what it printed."""
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def until(condition: Any, within: float, what: str) -> Any:
    """Return the first true value of ``condition()``; fails with ``what`` after ``within`` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {within:g} s: {what}")

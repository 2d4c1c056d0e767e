"""Runs a release's own commands on this machine, with the release's packages or in its folder, and the environment's variables."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.scratch import owned_folder
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.release import Release
from dawsos.ports import Runner

_BUDGET = 300.0
# Where the copies of built folders lie, below the folder of the environment; one a deployment.
APPS = "apps"
# What makes a command more than one program with its arguments: operators, and words that the shell carries out itself.
_OPERATORS = re.compile(r"[;&|()\n`]")
# A word of a command that is the release's interpreter.
_PYTHON = re.compile(r"(?<!\S)(?:python|\{python\})(?!\S)")
_SHELL_WORDS = frozenset(
    (
        "!",
        "{",
        "if",
        "for",
        "while",
        "until",
        "case",
        "exec",
        "cd",
        ".",
        "eval",
        "set",
        "export",
        "trap",
        "umask",
        "ulimit",
    )
)


def release_argv(command: str, release: Release, *, shell: bool = False) -> tuple[str, ...]:
    """Return ``command`` as argv, with ``shell`` one that a shell runs; ``python`` and ``{python}`` are the release's interpreter.

    It runs without the machine's own packages: what a release forgot to lock must be missing here as it would be elsewhere,
    and a ``.pth`` file of the machine must not run code within the release (one was seen to rewrite its certificates).
    Nor does the folder that it is started in hold modules.  A release without Python packages has no interpreter: there both
    words are what the machine or the release has under these names.
    """
    python = (release.interpreter, "-S", "-P")
    if shell:
        named = _PYTHON.sub(lambda _: shlex.join(python), command) if release.interpreter else command
        return ("/bin/sh", "-euc", shell_line(named))
    words = shlex.split(command)
    if not release.interpreter:
        return tuple(words)
    return tuple(part for word in words for part in (python if word in ("python", "{python}") else (word,)))


def shell_line(command: str) -> str:
    """Return ``command`` for a shell that becomes the program, if it is one program: what ends the shell then reaches the program."""
    first = command.split(maxsplit=1)[0] if command.strip() else ""
    if not first or _OPERATORS.search(command) or first in _SHELL_WORDS or "=" in first:
        return command
    return f"exec {command}"


def app_of(environment: Path, deployment: str) -> Path:
    """Return the folder in which a deployment of a built folder runs: a copy of its own, so that the release stays as it is."""
    return environment / APPS / deployment


def lay_out(release: Release, target: Path) -> None:
    """Copy the built folder of ``release`` to ``target``, unless it is there already."""
    if target.exists():
        return
    with owned_folder(target.parent, f"{target.name[:12]}-") as work:
        shutil.copytree(release.app, work, symlinks=True, dirs_exist_ok=True)
        work.chmod(0o755)
        work.rename(target)


def module_path(release: Release, place: Path) -> dict[str, str]:
    """Return the variable by which Python finds the packages of ``release``, and before them what was built and runs in ``place``."""
    if not release.interpreter:
        return {}
    folders = (place, release.site) if release.is_folder else (release.site,)
    return {"PYTHONPATH": ":".join(map(str, folders))}


@dataclass(frozen=True)
class LocalCommands:
    """Implements ``contract.ReleaseCommands``.  ``env``: the variables of the ``deployment``; ``shell``: a shell runs commands."""

    release: Release
    folder: Path
    env: Mapping[str, str]
    runner: Runner
    deployment: str = ""
    shell: bool = False

    async def run(self, command: str, log: Path, env: Mapping[str, str]) -> CommandOutcome:
        """Run ``command`` in the environment's folder, or in the folder that was built."""
        argv = release_argv(command, self.release, shell=self.shell)
        with self._place() as place:
            return await self.runner.run(self._command(argv, place, log, env))

    async def capture(self, command: str, log: Path, env: Mapping[str, str]) -> tuple[CommandOutcome, str]:
        """Run ``command`` and return its standard output, which goes through a file in a private folder.

        The runner masks and logs everything that a command prints, and this may be a secret.  The file does not lie among the
        evidence, where it would stay if the tool was killed.
        """
        argv = shlex.join(release_argv(command, self.release, shell=self.shell))
        with self._place() as place, owned_folder(self.folder, "capture-") as private:
            output = private / "output"
            shell = ("/bin/sh", "-euc", f"{argv} > {shlex.quote(str(output))}")
            outcome = await self.runner.run(self._command(shell, place, log, env))
            return outcome, output.read_text(errors="replace") if output.exists() else ""

    def _command(self, argv: tuple[str, ...], place: Path, log: Path, env: Mapping[str, str]) -> Command:
        variables = {**self.env, **module_path(self.release, place), **env}
        return Command(argv, str(place), variables, str(log), _BUDGET)

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """Give the folder to run in; before the deployment runs, a copy that is gone afterwards."""
        if not self.release.is_folder:
            yield self.folder
        elif (there := app_of(self.folder, self.deployment)).is_dir():
            yield there
        else:
            with owned_folder(self.folder, "command-") as private:
                lay_out(self.release, private / "app")
                yield private / "app"

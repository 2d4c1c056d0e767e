"""Runs a release's own commands on this machine, with the release's packages and the environment's variables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.scratch import owned_folder
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.release import Release
from dawsos.ports import Runner

_BUDGET = 300.0


def release_argv(command: str, release: Release) -> tuple[str, ...]:
    """Return ``command`` as argv; ``python`` and ``{python}`` are the release's interpreter.

    It runs without the machine's own packages: what a release forgot to lock must be missing here as it would be elsewhere,
    and a ``.pth`` file of the machine must not run code within the release (one was seen to rewrite its certificates).
    Nor does the folder that it is started in hold modules.
    """
    python = (release.interpreter, "-S", "-P")
    words = shlex.split(command)
    return tuple(part for word in words for part in (python if word in ("python", "{python}") else (word,)))


@dataclass(frozen=True)
class LocalCommands:
    """Implements ``contract.ReleaseCommands``.  ``env`` are the variables of one deployment."""

    release: Release
    folder: Path
    env: Mapping[str, str]
    runner: Runner

    async def run(self, command: str, log: Path, env: Mapping[str, str]) -> CommandOutcome:
        """Run ``command`` in the environment's folder."""
        argv = release_argv(command, self.release)
        return await self.runner.run(Command(argv, str(self.folder), {**self.env, **env}, str(log), _BUDGET))

    async def capture(self, command: str, log: Path, env: Mapping[str, str]) -> tuple[CommandOutcome, str]:
        """Run ``command`` and return its standard output, which goes through a file in a private folder.

        The runner masks and logs everything that a command prints, and this may be a secret.  The file does not lie among the
        evidence, where it would stay if the tool was killed.
        """
        argv = shlex.join(release_argv(command, self.release))
        with owned_folder(self.folder, "capture-") as private:
            output = private / "output"
            shell = ("/bin/sh", "-euc", f"{argv} > {shlex.quote(str(output))}")
            outcome = await self.runner.run(Command(shell, str(self.folder), {**self.env, **env}, str(log), _BUDGET))
            return outcome, output.read_text(errors="replace") if output.exists() else ""

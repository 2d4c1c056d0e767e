"""Runs a release's own commands inside its environment: migrate, seed, jobs, token."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.actions.environments import Environment, release_argv, release_environment
from dawsos.adapters.process import ProcessRunner
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.pipeline import Pipeline
from dawsos.model.process import Command, CommandOutcome
from dawsos.platforms.local.workers import filled
from dawsos.releases.bundle import Release
from dawsos.runs.project import Tools

_JOB_BUDGET = 300.0
_TOKEN_BUDGET = 60.0


@dataclass(frozen=True)
class ReleaseCommands:
    """One deployment of a release in its environment; ``deployment`` is what its commands are told to belong to."""

    tools: Tools
    pipeline: Pipeline
    environment: Environment
    release: Release
    deployment: str

    def _env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        # Before the deployment runs its workers have no ports: a variable that names one is left out, never half filled in.
        ports = self.environment.platform.named_ports(self.deployment)
        own = release_environment(self.environment, self.release, self.deployment)
        return {**filled(own, ports), **(extra or {})}

    def _runner(self) -> ProcessRunner:
        return ProcessRunner(self.tools.clock, self.tools.masker)

    async def run(self, command: str, log: Path, extra: Mapping[str, str] | None = None) -> CommandOutcome:
        """Run ``command`` with the release's packages and return what came of it."""
        argv, folder = release_argv(command, self.release), str(self.environment.platform.folder)
        return await self._runner().run(Command(argv, folder, self._env(extra), str(log), _JOB_BUDGET))

    async def must(self, command: str, log: Path, extra: Mapping[str, str] | None = None) -> str:
        """Run ``command`` and return the last line it printed.

        Raises ReleaseFailed with the log's end when the command fails, InfrastructureError when it could not be run.
        """
        before = log.stat().st_size if log.exists() else 0
        outcome = await self.run(command, log, extra)
        lines = log.read_bytes()[before:].decode(errors="replace").strip().splitlines() if log.exists() else []
        if outcome.classification != "ok":
            tail = "\n    ".join(lines[-8:])
            kind = InfrastructureError if outcome.classification == "infrastructure" else ReleaseFailed
            raise kind(
                f"`{command}` failed in {self.environment.name} ({outcome.message}):\n    {tail}", fix=f"read {log}"
            )
        return lines[-1] if lines else ""

    async def migrate(self, log: Path) -> None:
        """Bring the database to the release's schema."""
        if self.pipeline.service.migrate:
            await self.must(self.pipeline.service.migrate, log)

    async def seed(self, log: Path) -> dict[str, str]:
        """Seed (it is idempotent) and return its values as upper-case variables: ``{"user_id": ..}`` gives ``USER_ID``."""
        if not self.pipeline.service.seed:
            return {}
        line = await self.must(self.pipeline.service.seed, log)
        try:
            return {key.upper(): str(value) for key, value in json.loads(line).items()}
        except (ValueError, AttributeError) as error:
            raise ReleaseFailed(f"the seed command did not print a JSON object: {line[:120]!r}") from error

    async def before_traffic(self, logs: Path) -> None:
        """Run the jobs that must have run once before the release is judged; one that fails stops the release."""
        for name in self.pipeline.service.before_traffic:
            job = next(job for job in self.pipeline.service.jobs if job.name == name)
            await self.must(job.run, logs / f"{name}.log", job.env)

    async def token(self, variables: Mapping[str, str], scratch: Path) -> str:
        """Return a bearer token made by the release's own command, an empty string when it has none.

        The token goes through a private file, because the runner masks and logs everything that a command prints.
        """
        command = self.pipeline.service.token
        if not command:
            return ""
        argv = release_argv(substitute(command, variables), self.release)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        shell = ("/bin/sh", "-euc", f"{shlex.join(argv)} > {shlex.quote(str(scratch))}")
        log = scratch.with_suffix(".log")
        folder = str(self.environment.platform.folder)
        try:
            outcome = await self._runner().run(Command(shell, folder, self._env(variables), str(log), _TOKEN_BUDGET))
            text = scratch.read_text(errors="replace").strip()
        finally:
            # Also when we are told to stop: it lies among the evidence.
            scratch.unlink(missing_ok=True)
        if outcome.classification != "ok" or not text:
            raise ReleaseFailed(f"`{command}` made no token ({outcome.message})", fix=f"read {log}")
        value = text.splitlines()[-1]
        self.tools.masker.add([value])
        return value


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Return ``text`` with ``{portfolio_id}`` and the like replaced by the seed's values; what is unknown stays."""
    return re.sub(r"\{(\w+)\}", lambda match: variables.get(match[1].upper(), match[0]), text)

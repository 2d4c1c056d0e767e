"""The commands that pipeline.yaml declares for a service, run by the release inside an environment of any platform."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.process import CommandOutcome
from dawsos.model.service import Job, Service
from dawsos.platforms.contract import ReleaseCommands
from dawsos.ports import Redactor


@dataclass(frozen=True)
class ServiceCommands:
    """``service``'s commands, run through ``commands`` in the environment ``environment``."""

    service: Service
    environment: str
    commands: ReleaseCommands
    redactor: Redactor

    async def run(self, command: str, log: Path, env: Mapping[str, str] | None = None) -> CommandOutcome:
        """Run ``command`` and return its outcome."""
        return await self.commands.run(command, log, env or {})

    async def must(self, command: str, log: Path, env: Mapping[str, str] | None = None) -> str:
        """Run ``command`` and return the last line it printed.

        Raises ReleaseFailed with the log's end when the command fails, InfrastructureError when it could not be run.
        """
        before = log.stat().st_size if log.exists() else 0
        outcome = await self.run(command, log, env)
        lines = log.read_bytes()[before:].decode(errors="replace").strip().splitlines() if log.exists() else []
        if outcome.classification != "ok":
            tail = "\n    ".join(lines[-8:])
            kind = InfrastructureError if outcome.classification == "infrastructure" else ReleaseFailed
            raise kind(f"`{command}` failed in {self.environment} ({outcome.message}):\n    {tail}", fix=f"read {log}")
        return lines[-1] if lines else ""

    def job(self, name: str) -> Job:
        """Return the job called ``name``."""
        return next(job for job in self.service.jobs if job.name == name)

    async def migrate(self, log: Path) -> None:
        """Bring the database to the release's schema."""
        if self.service.migrate:
            await self.must(self.service.migrate, log)

    async def seed(self, log: Path) -> dict[str, str]:
        """Seed (it is idempotent) and return its values as upper-case variables: ``{"user_id": ..}`` gives ``USER_ID``."""
        if not self.service.seed:
            return {}
        line = await self.must(self.service.seed, log)
        try:
            return {key.upper(): str(value) for key, value in json.loads(line).items()}
        except (ValueError, AttributeError) as error:
            raise ReleaseFailed(f"the seed command did not print a JSON object: {line[:120]!r}") from error

    async def before_traffic(self, logs: Path) -> None:
        """Run the jobs that must have run once before the release is judged; one that fails stops the release."""
        for name in self.service.before_traffic:
            job = self.job(name)
            await self.must(job.run, logs / f"{name}.log", job.env)

    async def token(self, variables: Mapping[str, str], log: Path) -> str:
        """Return a bearer token made by the release's own command, an empty text when the service declares none.

        Raises ReleaseFailed when the command makes none.
        """
        command = self.service.token
        if not command:
            return ""
        outcome, text = await self.commands.capture(substitute(command, variables), log, variables)
        if outcome.classification != "ok" or not text.strip():
            raise ReleaseFailed(f"`{command}` made no token ({outcome.message})", fix=f"read {log}")
        value = text.strip().splitlines()[-1]
        self.redactor.add([value])
        return value


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Return ``text`` with ``{portfolio_id}`` and the like replaced by the seed's values; what is unknown stays."""
    return re.sub(r"\{(\w+)\}", lambda match: variables.get(match[1].upper(), match[0]), text)

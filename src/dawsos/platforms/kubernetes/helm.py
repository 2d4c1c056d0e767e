"""Runs the user's helm, version 3 or 4: what it renders, installs and takes away.

Values go through a file that its owner alone may read.  They hold no secret: the objects name a Secret.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dawsos.adapters.files import tail
from dawsos.adapters.kubernetes import IN_CLUSTER, Object, Objects
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import BadInput, DawsosError, InfrastructureError, ReleaseFailed
from dawsos.model.process import Command, CommandOutcome
from dawsos.platforms.kubernetes.target import Target, given, program
from dawsos.ports import Clock, Runner

# Runs a program with its standard output in a file; the tool's own image has no shell for it.
_INTO_FILE = (
    "import os, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
_BUDGET, _TIMEOUT = 300.0, 120
_KEPT_REVISIONS = 20
# A revision that is pending for longer than helm itself would have waited was left behind by one that was killed.
_ABANDONED = _TIMEOUT + 30.0
# Words of helm for what no chart is to blame for.
_MACHINE = re.compile(
    r"cluster unreachable|connection refused|i/o timeout|context deadline|no such host|TLS handshake|another operation"
    r"|forbidden|Unauthorized|etcdserver|timed out|connection reset|ServiceUnavailable|EOF$",
    re.IGNORECASE | re.MULTILINE,
)
# An admission policy refuses what the release is, whatever else the words are.
_REFUSED = re.compile(r"denied the request|denied request|ValidatingAdmissionPolicy", re.IGNORECASE)
_ABSENT = re.compile(r"release: not found", re.IGNORECASE)


@dataclass
class Helm:
    """helm for one environment.  ``folder`` holds its values while it runs, ``log`` what it printed; ``secret`` names variables
    that it does not get."""

    target: Target
    runner: Runner
    clock: Clock
    folder: Path
    secret: frozenset[str] = frozenset()
    _major: int | None = field(default=None, repr=False)

    async def version(self) -> int:
        """Return the major version of helm; raises BadInput when it is neither 3 nor 4, or not there."""
        if self._major is None:
            outcome, text, told = await self._run(["version", "--template", "{{.Version}}"], plain=True)
            found = re.search(r"v(\d+)\.", text)
            if outcome.classification != "ok" or found is None or int(found[1]) not in (3, 4):
                raise BadInput(f"helm does not say that it is version 3 or 4: {text or told}", fix="helm version")
            self._major = int(found[1])
        return self._major

    async def upgrade(self, values: Mapping[str, Any], log: Path) -> None:
        """Install or upgrade the release with ``values`` over the user's own; hooks do not run, and pods are not waited for.

        Raises ReleaseFailed when the chart or its values are at fault, InfrastructureError when the cluster is.
        """
        await self._unlock()
        argv = [
            "upgrade", "--install", self.target.release, str(self.target.chart), "--no-hooks", "--reset-values",
            "--timeout", f"{_TIMEOUT}s", "--history-max", str(_KEPT_REVISIONS), *await self._upgrading(),
        ]  # fmt: skip
        outcome, text, told = await self._run(argv, values)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as lines:
            print(f"helm upgrade --install {self.target.release}: {last_line(told or text)}", file=lines)
        if outcome.classification != "ok":
            raise failure("upgrade", self.target, told or outcome.message)

    async def _upgrading(self) -> tuple[str, ...]:
        # Version 4 refuses to write a field that another manager has written: a route whose weights a rollout had.
        return ("--force-conflicts", "--hide-notes") if await self.version() == 4 else ("--hide-notes",)

    async def template(self, values: Mapping[str, Any]) -> Objects:
        """Return the objects that the chart makes with ``values`` over the user's own.  Nothing is asked of the cluster.

        Raises ReleaseFailed when the chart does not render.
        """
        outcome, text, told = await self._run(
            ["template", self.target.release, str(self.target.chart), "--no-hooks"], values
        )
        if outcome.classification != "ok":
            raise failure("template", self.target, told or outcome.message)
        return await asyncio.to_thread(parsed, text)

    async def values(self) -> Object | None:
        """Return all values of the newest revision, those of the chart as well; None when there is no release."""
        outcome, text, told = await self._run(["get", "values", self.target.release, "--all", "--output", "json"])
        if outcome.classification != "ok":
            if _ABSENT.search(told):
                return None
            raise failure("get values", self.target, told or outcome.message)
        found = json.loads(text or "{}")
        return found if isinstance(found, dict) else {}

    async def history(self) -> Objects:
        """Return the revisions that are kept, the oldest first; none when there is no release."""
        outcome, text, told = await self._run(["history", self.target.release, "--output", "json"])
        if outcome.classification != "ok":
            if _ABSENT.search(told):
                return []
            raise failure("history", self.target, told or outcome.message)
        found = json.loads(text or "[]")
        return found if isinstance(found, list) else []

    async def uninstall(self) -> bool:
        """Take the release away with its objects; return whether it was there."""
        outcome, _, told = await self._run(["uninstall", self.target.release, "--no-hooks", "--timeout", "60s"])
        if outcome.classification == "ok":
            return True
        if _ABSENT.search(told):
            return False
        raise failure("uninstall", self.target, told or outcome.message)

    async def _unlock(self) -> None:
        """End what a helm that was killed has left pending, which would refuse every upgrade."""
        while True:
            history = await self.history()
            wait = pending(history, self.clock.now())
            if wait is None:
                return
            if wait <= 0:
                # Helm itself has no other way out than a rollback to the revision before, or to begin anew.
                argv = way_out(history, self.target.release)
                outcome, _, told = await self._run([*argv, "--no-hooks"])
                if outcome.classification != "ok":
                    raise failure(argv[0], self.target, told or outcome.message)
                return
            await self.clock.sleep(min(wait, 2.0))

    async def _run(
        self, argv: list[str], values: Mapping[str, Any] | None = None, *, plain: bool = False
    ) -> tuple[CommandOutcome, str, str]:
        """Run helm; return the outcome, its standard output and what it said beside that."""
        with owned_folder(self.folder, "helm-") as private:
            options = [] if plain else self._where()
            if values is not None:
                ours = private / "values.json"
                ours.touch(mode=0o600)
                ours.write_text(json.dumps(values))
                options += [word for path in (*self.target.values, ours) for word in ("--values", str(path))]
            output, told = private / "output", private / "told"
            # Standard output alone is what helm has made; the runner's log has the rest.
            into = (sys.executable, "-I", "-S", "-c", _INTO_FILE, str(output))
            command = Command(
                (*into, program("helm"), *argv, *options), str(private), given(os.environ, self.secret), str(told), _BUDGET
            )  # fmt: skip
            outcome = await self.runner.run(command)
            text = output.read_text(errors="replace") if output.exists() else ""
            return outcome, text, "\n".join(tail(told, 20)) if told.exists() else ""

    def _where(self) -> list[str]:
        context = [] if self.target.context == IN_CLUSTER else ["--kube-context", self.target.context]
        return ["--namespace", self.target.namespace, *context]


def pending(history: Objects, now: float) -> float | None:
    """Return in how many seconds the newest revision is abandoned if it is still pending then; None when it is not pending."""
    if not history or not str(history[-1].get("status", "")).startswith("pending"):
        return None
    try:
        updated = datetime.fromisoformat(_microseconds(str(history[-1].get("updated", ""))))
    except ValueError:
        return 0.0
    zoned = updated if updated.tzinfo else updated.replace(tzinfo=UTC)
    return zoned.timestamp() + _ABANDONED - now


def way_out(history: Objects, release: str) -> list[str]:
    """Return the words for helm that end a pending revision."""
    before = [one for one in history[:-1] if one.get("status") in ("deployed", "superseded")]
    return ["rollback", release, str(before[-1]["revision"])] if before else ["uninstall", release]


def _microseconds(text: str) -> str:
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def failure(verb: str, target: Target, told: str) -> DawsosError:
    """Return the error for what helm said: the machine's fault, or that of the chart and its values."""
    words = told.strip() or "helm said nothing"
    sentence = f"helm {verb} {target.release} in {target.namespace} failed: {words}"
    if _MACHINE.search(words) and not _REFUSED.search(words):
        return InfrastructureError(sentence, fix=f"helm history {target.release} --namespace {target.namespace}")
    return ReleaseFailed(sentence, fix=f"see the chart {target.chart.name} and its values: helm lint, helm template")


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def parsed(text: str) -> Objects:
    """Return the objects of rendered manifests; raises ReleaseFailed for what is no YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return [found for found in YAML(typ="safe", pure=True).load_all(text) if isinstance(found, dict)]
    except YAMLError as error:
        raise ReleaseFailed(f"the chart renders what is no YAML: {error}", fix="helm template, helm lint") from error

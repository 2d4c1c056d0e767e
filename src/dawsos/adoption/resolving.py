"""Locks what a toolchain of a first pipeline needs: pip resolves it, and its own report has versions and digests."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters import pip
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import tool_environment
from dawsos.adoption.locks import Pin, with_hashes
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.names import canonical_package
from dawsos.model.process import Command

_BUDGET = 900.0


@dataclass(frozen=True)
class Locked:
    """A package in one version, with the digests of the archives that may be installed."""

    name: str
    version: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class Resolver:
    """Resolves for the project in ``root`` with the pip of ``python``."""

    root: Path
    python: str

    async def resolve(
        self, requirements: Sequence[str], pins: Sequence[Pin] = (), at: Iterable[Locked] = ()
    ) -> dict[str, Locked]:
        """Return package -> what to install for ``requirements`` and all of ``pins``, at the versions of ``at``.

        ``.`` is the project, ``-r FILE`` a list of it.  Raises BadInput for what pip cannot resolve whoever asks and for an archive
        whose digest the project's lock does not have, InfrastructureError when the registry does not answer.
        """
        words = [word for requirement in requirements for word in self._words(requirement)]
        if not words and not pins:
            return {}
        constraints = [f"{one.name}=={one.version}" for one in at]
        rows = (await self._report([*words, *(pin.requirement for pin in pins)], constraints))["install"]
        for name in _needed_itself(rows):
            # A tool needs the very project (pip-audit needs idna): its published self goes into the toolchain, and the tests
            # still see the project's own code, which comes first on their path.
            rows = [*rows, *(await self._report(["--no-deps", name], constraints))["install"]]
        return locked(rows, with_hashes(pins))

    def _words(self, requirement: str) -> tuple[str, ...]:
        if requirement.startswith("-r "):
            return ("-r", str(self.root / requirement.removeprefix("-r ")))
        if re.match(r"\.(\[|$)", requirement):
            return (str(self.root) + requirement.removeprefix("."),)
        return (requirement,)

    async def _report(self, arguments: Sequence[str], constraints: Sequence[str]) -> Any:
        """Return what pip would install for ``arguments``, as its own report says it."""
        with tempfile.TemporaryDirectory(prefix="dawsos-init-") as name:
            folder = Path(name)
            report, log, detailed = folder / "report.json", folder / "pip.log", folder / "pip.debug"
            (folder / "constraints.txt").write_text("\n".join(constraints))
            argv = (
                self.python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", "--dry-run",
                "--progress-bar", "off",
                "--ignore-installed", "--only-binary", ":all:", "--report", str(report), "--log", str(detailed),
                "-c", str(folder / "constraints.txt"), *arguments,
            )  # fmt: skip
            runner = ProcessRunner(SystemClock(), Masker())
            environment = {**tool_environment(folder), **_outside(folder)}
            outcome = await runner.run(Command(argv, name, environment, str(log), _BUDGET))
            if outcome.classification == "ok":
                return json.loads(report.read_text())
            output = pip.said_in(log)
            why = "\n    ".join(pip.error_of(output)) if outcome.classification == "failed" else outcome.message
            if outcome.classification == "failed" and pip.is_of_the_commit(output, pip.said_in(detailed)):
                raise BadInput(
                    f"pip cannot resolve what the stages need: {why}",
                    fix="correct what the project asks for, so that pip installs it from wheels; nothing was written",
                )
            raise InfrastructureError(
                f"pip could not resolve what the stages need: {why}",
                fix="is the package registry reachable? Nothing was written",
            )


def _outside(folder: Path) -> dict[str, str]:
    """Return the variable by which setuptools puts what it makes on the way into ``folder``, and nothing into the project."""
    settings = folder / "setuptools.cfg"
    settings.write_text(f"[build]\nbuild_base = {folder}/build\n[egg_info]\negg_base = {folder}\n")
    return {"DIST_EXTRA_CONFIG": str(settings)}


def _needed_itself(rows: list[dict[str, Any]]) -> list[str]:
    """Return the name of the project, which has no archive, when another package of the list depends on it."""
    needed = {
        canonical_package(match[0])
        for row in rows
        for requirement in row["metadata"].get("requires_dist") or ()
        if (match := re.match(r"[A-Za-z0-9._-]+", requirement))
    }
    return [
        row["metadata"]["name"]
        for row in rows
        if not _digest(row) and canonical_package(row["metadata"]["name"]) in needed
    ]


def _digest(row: dict[str, Any]) -> str:
    return str((row.get("download_info") or {}).get("archive_info", {}).get("hashes", {}).get("sha256") or "")


def locked(rows: list[dict[str, Any]], allowed: Mapping[str, frozenset[str]]) -> dict[str, Locked]:
    """Return the rows of pip's report that are archives; the project itself is none.

    What the project's own lock has must be one of its ``allowed`` digests; raises BadInput.
    """
    found = {}
    for row in rows:
        digest, name = _digest(row), canonical_package(row["metadata"]["name"])
        if not digest:
            continue
        if name in allowed and digest not in allowed[name]:
            raise BadInput(
                f"the registry's archive of {name} {row['metadata']['version']} has a digest that the project's lock does not have",
                fix="make the lock anew; or find out who changed the archive",
            )
        found[name] = Locked(name, row["metadata"]["version"], allowed.get(name, frozenset({digest})))
    return found


def list_text(found: Iterable[Locked], head: str) -> str:
    """Return a hash-locked list as pip reads it; ``head`` says where it comes from."""
    lines = [f"# {head}"]
    for one in sorted(found, key=lambda one: one.name):
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in sorted(one.hashes))
        lines.append(f"{one.name}=={one.version} {hashes}")
    return "\n".join(lines) + "\n"

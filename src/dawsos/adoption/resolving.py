"""Locks what a toolchain of a first pipeline needs: pip resolves it, and its own report has versions and digests."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from dawsos.adapters import pip
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import base_python, tool_environment
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.names import canonical_package
from dawsos.model.process import Command

_BUDGET = 600.0
_HEAD = "# Made by `dawsos init` for this platform."


async def resolve(root: Path, requirements: list[str], python: str = "") -> str:
    """Return a hash-locked list of ``requirements``, as pip resolves them: ``.`` is the project in ``root``, ``-r FILE`` a list of it.

    Raises BadInput for what pip cannot resolve whoever asks, InfrastructureError when the registry does not answer.
    """
    words = [word for requirement in requirements for word in _words(root, requirement)]
    rows = (await _report(words, python))["install"] if words else []
    for name in _needed_itself(rows):
        # A tool needs the very project (pip-audit needs idna): its published self goes into the toolchain, and the tests
        # still see the project's own code, which comes first on their path.
        rows = [*rows, *(await _report(["--no-deps", name], python))["install"]]
    return pins(rows)


def _words(root: Path, requirement: str) -> tuple[str, ...]:
    if requirement.startswith("-r "):
        return ("-r", str(root / requirement.removeprefix("-r ")))
    return (str(root) + requirement.removeprefix("."),) if re.match(r"\.(\[|$)", requirement) else (requirement,)


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


async def _report(arguments: list[str], python: str) -> Any:
    """Return what pip would install for ``arguments``, as its own report says it."""
    with tempfile.TemporaryDirectory(prefix="dawsos-init-") as folder:
        report, log = Path(folder) / "report.json", Path(folder) / "pip.log"
        detailed = Path(folder) / "pip.debug"
        argv = (
            python or base_python(), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", "--dry-run",
            "--ignore-installed", "--only-binary", ":all:", "--report", str(report), "--log", str(detailed), *arguments,
        )  # fmt: skip
        runner = ProcessRunner(SystemClock(), Masker())
        environment = {**tool_environment(Path(folder)), **_outside(Path(folder))}
        outcome = await runner.run(Command(argv, folder, environment, str(log), _BUDGET))
        if outcome.classification != "ok":
            output = pip.said_in(log)
            why = "\n    ".join(pip.error_of(output)) or outcome.message
            if outcome.classification == "failed" and pip.is_of_the_commit(output, pip.said_in(detailed)):
                raise BadInput(
                    f"pip cannot resolve what the stages need: {why}",
                    fix="correct what the project asks for, so that pip install works; nothing was written",
                )
            raise InfrastructureError(
                f"pip could not resolve what the stages need: {why}",
                fix="is the package registry reachable? Nothing was written",
            )
        return json.loads(report.read_text())


def _outside(folder: Path) -> dict[str, str]:
    """Return the variable by which setuptools puts what it makes on the way into ``folder``, and nothing into the project."""
    settings = folder / "setuptools.cfg"
    settings.write_text(f"[build]\nbuild_base = {folder}/build\n[egg_info]\negg_base = {folder}\n")
    return {"DIST_EXTRA_CONFIG": str(settings)}


def _digest(row: dict[str, Any]) -> str | None:
    digest = (row.get("download_info") or {}).get("archive_info", {}).get("hashes", {}).get("sha256")
    return None if digest is None else str(digest)


def pins(rows: list[dict[str, Any]]) -> str:
    """Return the rows of pip's report that are archives as a hash-locked list; the project itself is none."""
    lines = [_HEAD]
    for row in sorted(rows, key=lambda one: canonical_package(one["metadata"]["name"])):
        digest = _digest(row)
        if digest is not None:
            lines.append(f"{row['metadata']['name']}=={row['metadata']['version']} --hash=sha256:{digest}")
    return "\n".join(lines) + "\n"

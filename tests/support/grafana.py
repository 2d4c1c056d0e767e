"""Dashboards held against the schema that Grafana publishes, and their queries as Grafana sends them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.locks import FileLock

ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = Path(__file__).resolve().parent / "grafana_schema"
_CACHE = ROOT / ".dawsos" / "tool" / "grafana-schema"
_WITHIN = 300.0
_VARIABLE = re.compile(r"\$([a-zA-Z_]\w*)")


@dataclass(frozen=True)
class Query:
    """A query of a panel.  ``may_be_empty``: the panel says what it means when there is no data."""

    panel: str
    expr: str
    may_be_empty: bool


def queries(dashboard: Mapping[str, Any], choices: Mapping[str, str], window: int) -> list[Query]:
    """Return the queries of a dashboard, with its variables as ``choices`` say and every time range ``window`` seconds."""
    words = {"__rate_interval": f"{window}s", "__range": f"{window}s", "__range_s": str(window), **choices}
    return [
        Query(
            f"{dashboard['title']}: {panel['title']}",
            _VARIABLE.sub(lambda found: words[found[1]], target["expr"]),
            "noValue" in panel["fieldConfig"]["defaults"],
        )
        for panel in dashboard["panels"]
        if panel["type"] != "row"
        for target in panel["targets"]
    ]


def schema_problems(dashboards: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, list[str]]:
    """Return what Grafana's schema has against each of ``dashboards``; works in ``folder``, which is made."""
    installed = _installed()
    folder.mkdir(parents=True)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    shutil.copy(_SCHEMA / "classic.ts", folder)
    for name, dashboard in dashboards.items():
        # A literal, which the compiler also holds to have no other keys: the file itself, and not a copy of its type.
        text = json.dumps(dashboard, indent=1)
        (folder / f"{name}.ts").write_text(
            f'import type {{ Classic }} from "./classic";\nexport const dashboard: Classic = {text};\n'
        )
    argv = ["node", "node_modules/typescript/bin/tsc", *_OPTIONS, *(f"{name}.ts" for name in dashboards)]
    said = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=_WITHIN)
    problems: dict[str, list[str]] = {name: [] for name in dashboards}
    for line in said.stdout.splitlines():
        name, found, rest = line.partition(".ts(")
        if found:
            problems[name].append(rest)
    assert (said.returncode == 0) == (not any(problems.values())), said.stdout + said.stderr
    return problems


# The types of the packages themselves are not what is checked here.
_OPTIONS = (
    "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"
)  # fmt: skip


def _installed() -> Path:
    """Return the folder with the packages of ``grafana_schema/package-lock.json``; npm fills it once.

    Where they cannot be had, the test is skipped with the reason; in CI, which is told by the variable ``CI``, it fails.
    """
    digest = hashlib.sha256((_SCHEMA / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = _CACHE / digest
    with FileLock(_CACHE / "lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} holds {_CACHE}/lock"
        if folder.is_dir():
            return folder
        fresh = _CACHE / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        problem = _install(fresh)
        if problem is None:
            fresh.rename(folder)
            return folder
    if os.environ.get("CI"):
        pytest.fail(f"Grafana's schema cannot be had: {problem}")
    pytest.skip(problem)


def _install(folder: Path) -> str | None:
    """Install the packages into ``folder``; return what went wrong."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    if lacking:
        return f"there is no {lacking[0]}"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_SCHEMA / name, folder)
    argv = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    said = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=_WITHIN)
    return f"npm ci: {said.stderr.strip()[-500:]}" if said.returncode else None

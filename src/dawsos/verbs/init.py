"""``dawsos init``: looks at a Python project and writes its first pipeline and the lock of its tools.  Overwrites nothing."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import base_python, tool_environment
from dawsos.config.load import load_pipeline
from dawsos.config.starter import TOOLS, Found, pipeline_text
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.names import canonical_package
from dawsos.model.process import Command
from dawsos.runs.project import PIPELINE_FILE, gate_options

_BUDGET = 600.0
_TEST_NAMES = ("test", "tests", "testing", "dev")
# Where projects list what their tests need, when neither an extra nor a dependency group says it; the looser list first.
_TEST_FILES = (
    "requirements/tests.in", "requirements/test.in", "requirements/tests.txt", "requirements/test.txt", "requirements-test.txt",
    "requirements-tests.txt", "test-requirements.txt", "requirements-dev.txt", "tests/requirements.txt",
)  # fmt: skip
_NOT_CODE = {
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "example",
    "scripts",
    "tools",
    "build",
    "dist",
    "bench",
    "benchmarks",
}


@dataclass(frozen=True)
class Adopted:
    """What was found in the project, and the names of the files that were written."""

    found: Found
    written: tuple[str, ...]


def init(root: Path) -> Adopted:
    """Write pipeline.yaml and, unless it is there, dawsos-tools.txt.

    Raises BadInput when there is a pipeline already or no Python project, InfrastructureError when pip cannot resolve.
    """
    target, lock = root / PIPELINE_FILE, root / TOOLS
    if target.exists():
        raise BadInput(f"there is a {PIPELINE_FILE} in {root} already", fix="edit it, or move it away first")
    settings = _settings(root)
    found = look(root, settings)
    text = pipeline_text(found)
    # What is written is good by the program's own rules, or it is not written.
    load_pipeline(text, PIPELINE_FILE, gate_options())
    written = [PIPELINE_FILE]
    if not lock.exists():
        extra = extras(settings)
        wanted = tools(found, settings)
        if not extra and found.tests and not _group_name(settings):
            listed = next((name for name in _TEST_FILES if (root / name).is_file()), None)
            wanted += ["-r", str(root / listed)] if listed else []
        pins = asyncio.run(_resolve(root, wanted, extra if found.installable else None))
        lock.write_text(pins)
        written.append(TOOLS)
    target.write_text(text)
    return Adopted(found, tuple(written))


def _settings(root: Path) -> dict[str, Any]:
    path = root / "pyproject.toml"
    if not path.exists():
        if not any((root / name).exists() for name in ("setup.py", "setup.cfg")):
            raise BadInput(f"{root} is no Python project", fix="change into a folder with a pyproject.toml or setup.py")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="correct it") from error


def look(root: Path, settings: dict[str, Any]) -> Found:
    """Return what lies in ``root``; ``settings`` is its pyproject.toml."""
    tool = settings.get("tool") or {}
    name = str((settings.get("project") or {}).get("name") or root.name)
    name = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")
    # A pipeline's name begins with a letter; that of a project, such as 2048, need not.
    name = name if re.match("[a-z]", name) else f"project-{name}".strip("-")
    tests = next((folder for folder in ("tests", "test") if (root / folder).is_dir()), "")
    ini = "\n".join(
        (root / file).read_text(errors="replace") for file in ("setup.cfg", "tox.ini") if (root / file).exists()
    )
    sql = next((path.parent.relative_to(root).as_posix() for path in sorted(root.glob("**/migrations/*.sql"))), "")
    return Found(
        name=name[:40],
        packages=_packages(root),
        tests=tests,
        installable="build-system" in settings or (root / "setup.py").exists(),
        ruff="ruff" in tool or any((root / file).exists() for file in ("ruff.toml", ".ruff.toml")),
        ruff_format="format" in (tool.get("ruff") or {}),
        mypy="mypy" in tool or (root / "mypy.ini").exists() or "[mypy]" in ini,
        sql=sql,
    )


def _packages(root: Path) -> tuple[str, ...]:
    """Return the import packages below src, else at the top; a project of single modules has those."""
    for base in (root / "src", root):
        inits = sorted(base.glob("*/__init__.py"))
        names = [
            path.parent for path in inits if path.parent.name not in _NOT_CODE and not path.parent.name.startswith(".")
        ]
        modules = [
            path for path in sorted(base.glob("*.py")) if path.name not in ("setup.py", "conftest.py", "noxfile.py")
        ]
        if names or (modules and base.name == "src"):
            return tuple(path.relative_to(root).as_posix() for path in names or modules)
    return tuple(
        path.name for path in sorted(root.glob("*.py")) if path.name not in ("setup.py", "conftest.py", "noxfile.py")
    )


def tools(found: Found, settings: dict[str, Any]) -> list[str]:
    """Return what the stages need beside the project's own dependencies: tools, build backend, the group of the tests."""
    wanted = ["ruff", "bandit", "pip-audit", *(["mypy"] if found.mypy else []), *(["sqlfluff"] if found.sql else [])]
    wanted += ["pytest", "pytest-cov"] if found.tests else []
    if found.installable:
        backend = (settings.get("build-system") or {}).get("requires") or ["setuptools", "wheel"]
        wanted += [str(requirement) for requirement in backend]
    chosen = _group_name(settings)
    return wanted + (_group(settings["dependency-groups"], chosen, set()) if chosen else [])


def _group_name(settings: dict[str, Any]) -> str:
    groups = settings.get("dependency-groups") or {}
    return next((name for name in _TEST_NAMES if name in groups), "")


def _group(groups: dict[str, Any], name: str, seen: set[str]) -> list[str]:
    """Return the requirements of a dependency group (PEP 735), with the groups that it includes."""
    if name in seen:
        return []
    seen.add(name)
    found: list[str] = []
    for entry in groups.get(name) or ():
        if isinstance(entry, dict):
            found += _group(groups, str(entry.get("include-group", "")), seen)
        else:
            found.append(str(entry))
    return found


def extras(settings: dict[str, Any]) -> str:
    """Return the extra with which the project's tests are run, as in ``[test]``."""
    known = (settings.get("project") or {}).get("optional-dependencies") or {}
    return next((f"[{name}]" for name in (*_TEST_NAMES, "all") if name in known), "")


async def _resolve(root: Path, wanted: list[str], extra: str | None) -> str:
    """Return a hash-locked list of ``wanted`` and, unless ``extra`` is None, of the project's dependencies, as pip resolves them."""
    report = await _report([*wanted, *([] if extra is None else [f"{root}{extra}"])])
    rows = report["install"]
    for name in _needed_itself(rows):
        # A tool needs the very project (pip-audit needs idna): its published self goes into the toolchain, and the tests
        # still see the project's own code, which comes first on their path.
        rows = [*rows, *(await _report(["--no-deps", name]))["install"]]
    return pins(rows)


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


async def _report(arguments: list[str]) -> Any:
    """Return what pip would install for ``arguments``, as its own report says it."""
    with tempfile.TemporaryDirectory(prefix="dawsos-init-") as folder:
        report, log = Path(folder) / "report.json", Path(folder) / "pip.log"
        argv = (
            base_python(), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", "--dry-run",
            "--ignore-installed", "--only-binary", ":all:", "--report", str(report), *arguments,
        )  # fmt: skip
        runner = ProcessRunner(SystemClock(), Masker())
        outcome = await runner.run(Command(argv, folder, tool_environment(Path(folder)), str(log), _BUDGET))
        if outcome.classification != "ok":
            tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-6:]) if log.exists() else ""
            raise InfrastructureError(
                f"pip could not resolve the project's tools: {outcome.message}\n    {tail}",
                fix=f"write {TOOLS} yourself (pinned, with hashes), then dawsos init again",
            )
        return json.loads(report.read_text())


def _digest(row: dict[str, Any]) -> str | None:
    digest = (row.get("download_info") or {}).get("archive_info", {}).get("hashes", {}).get("sha256")
    return None if digest is None else str(digest)


def pins(rows: list[dict[str, Any]]) -> str:
    """Return the rows of pip's report that are archives as a hash-locked list; the project itself is none."""
    lines = ["# Made by `dawsos init`: the project's dependencies and the tools of its stages, for this platform."]
    for row in sorted(rows, key=lambda one: canonical_package(one["metadata"]["name"])):
        digest = _digest(row)
        if digest is not None:
            lines.append(f"{row['metadata']['name']}=={row['metadata']['version']} --hash=sha256:{digest}")
    return "\n".join(lines) + "\n"

"""A Node project: what its package.json says, and the draft of its first pipeline.  Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from dawsos.adoption.contract import Answers, Draft, Environment, Tree
from dawsos.adoption.python_metadata import pipeline_name
from dawsos.adoption.services import Pages, bill, pages_of, reads_port, secrets, stage
from dawsos.errors import BadInput

_PASSED = "pass_env: [HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS, npm_config_registry]"
_NO_TEST = "no test specified"
_SHELL = re.compile(r"[;&|<>$`()]")


@dataclass(frozen=True)
class _Manager:
    """A package manager: its lock, how it installs everything, and what the service needs to run."""

    program: str
    lock: str
    whole: str
    lean: str
    prune: str


_MANAGERS = (
    _Manager("npm", "package-lock.json", "npm ci", "npm ci --omit=dev", "npm prune --omit=dev"),
    _Manager(
        "pnpm",
        "pnpm-lock.yaml",
        "pnpm install --frozen-lockfile",
        "pnpm install --frozen-lockfile --prod",
        "pnpm prune --prod",
    ),
    _Manager(
        "yarn",
        "yarn.lock",
        "yarn install --frozen-lockfile",
        "yarn install --frozen-lockfile --production",
        "yarn install --frozen-lockfile --production",
    ),
)
_UNLOCKED = _Manager("npm", "", "npm install", "npm install --omit=dev", "npm prune --omit=dev")


def draft(tree: Tree, answers: Answers) -> Draft | None:
    """Return the draft of a Node project, None when it is none; raises BadInput for a package.json that cannot be read."""
    if not tree.has("package.json"):
        return None
    said = _read(tree)
    found = said.get("scripts")
    scripts: dict[str, Any] = found if isinstance(found, dict) else {}
    manager = next((one for one in _MANAGERS if tree.has(one.lock)), _UNLOCKED)
    needs = bool(said.get("dependencies") or said.get("devDependencies") or manager.lock)
    sources = [
        path for pattern in ("*.js", "*.mjs", "*.cjs", "*.ts") for path in tree.named(pattern) if not _is_test(path)
    ]
    pages, command = pages_of(tree, sources, answers), answers.app or _command(said, scripts)
    stages = _stages(tree, scripts, manager if needs else None)
    return Draft(
        kind="node",
        name=pipeline_name(str(said.get("name") or tree.name).rpartition("/")[2]),
        found=(
            ("lock", manager.lock or ("none: npm chooses the versions" if needs else "none, and no package is needed")),
            ("tests", str(scripts.get("test") or "none")),
            ("command", command or "none: package.json has neither scripts.start nor main"),
            *pages.found,
        ),
        ids=tuple(stages),
        stages=tuple(stages.values()),
        missing=_missing(tree, sources, command, manager if needs else None),
        service=_service(said, scripts, manager if needs else None, command, pages) if command else (),
        page=pages.users,
        builds=f", toolchain: node, {_PASSED}" if needs else ", toolchain: node",
        toolchains=(Environment("node", "", programs=("node", *((manager.program,) if needs else ()))),),
    )


def _read(tree: Tree) -> dict[str, Any]:
    try:
        said = json.loads(tree.text("package.json"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"package.json cannot be read: {error}", fix="correct it") from error
    if not isinstance(said, dict):
        raise BadInput("package.json is no JSON object", fix="correct it")
    return said


def _is_test(path: str) -> bool:
    return bool(re.search(r"(^|/)(tests?|__tests__|node_modules|dist|build)/|\.(test|spec)\.", path))


def _command(said: dict[str, Any], scripts: dict[str, Any]) -> str:
    """Return what starts the service: ``scripts.start``, else the main module."""
    start = str(scripts.get("start") or "").strip()
    if not start:
        return f"node {said['main']}" if isinstance(said.get("main"), str) else ""
    first = start.split()[0]
    # A program of a package is found by npm, and by nobody else.
    known = first in ("node", "sh", "npm", "npx") or "/" in first or "=" in first
    return start if known else f"./node_modules/.bin/{start}"


def _service(
    said: dict[str, Any], scripts: dict[str, Any], manager: _Manager | None, command: str, pages: Pages
) -> tuple[str, ...]:
    build = "{folder: .}"
    if manager is not None and scripts.get("build"):
        build = f'{{run: "{manager.whole} && {manager.program} run build && {manager.prune}"}}'
    elif manager is not None:
        build = f"{{run: {manager.lean}}}"
    shell = ("shell: true",) if _SHELL.search(command) or "=" in command.split()[0] else ()
    return ("project: .", f"build: {build}", f"command: {json.dumps(command)}", *shell, *pages.lines)


def _stages(tree: Tree, scripts: dict[str, Any], manager: _Manager | None) -> dict[str, str]:
    install = [f"{{name: packages, run: {manager.whole}}}"] if manager else []
    passed = (_PASSED,) if manager else ()
    made: dict[str, str] = {}
    if scripts.get("lint"):
        made["lint"] = stage(
            "lint", "Lint", "node", [*install, "{name: lint, run: npm run lint}"], ["exit_status"], *passed
        )
    test = str(scripts.get("test") or "")
    if re.match(r"node\s+(.*\s)?--test\b", test):
        report = "--test-reporter=junit --test-reporter-destination=$ARTIFACTS/junit.xml"
        step = f"{{name: tests, run: {test.replace('--test', f'--test {report}', 1)}, judged_exits: [1]}}"
        made["unit"] = stage(
            "unit",
            "Unit tests",
            "node",
            [*install, step],
            ["{kind: junit, reports: junit.xml}", "exit_status"],
            *passed,
        )
    elif test and _NO_TEST not in test:
        made["unit"] = stage(
            "unit", "Unit tests", "node", [*install, "{name: tests, run: npm test}"], ["exit_status"], *passed
        )
    made["secrets"] = secrets()
    if manager is not None and manager.lock == "package-lock.json" and '"node_modules/' in _registry(tree):
        made["sbom"] = bill(manager.lock, "npm")
    return made


def _registry(tree: Tree) -> str:
    """Return the paths in the lock of packages that come from a registry, and not from a folder of the project."""
    try:
        packages = json.loads(tree.text("package-lock.json")).get("packages") or {}
        return " ".join(f'"{path}"' for path, one in packages.items() if not one.get("link") and not one.get("dev"))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _missing(tree: Tree, sources: list[str], command: str, manager: _Manager | None) -> tuple[str, ...]:
    lines = []
    if manager is not None and not manager.lock:
        lines.append("no lock: what npm installs may differ tomorrow; npm install --package-lock-only writes one")
    if command and not reads_port(tree, sources):
        lines.append("nothing in the sources reads the variable PORT, which says where the service must listen")
    return tuple(lines)

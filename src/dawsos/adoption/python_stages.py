"""The quality stages of a Python project, as the YAML of a pipeline.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.adoption.python_facts import PythonProject

TOOLS, PROJECT = "dawsos-tools.txt", "dawsos-project.txt"
# What ruff looks for where the project has no configuration of it: what cannot work, and no matter of taste.
_ERRORS = "--isolated --select E9,F63,F7,F82 "


@dataclass(frozen=True)
class Checks:
    """Which checks a project has: of ``ruff``, whether that is configured, and of its format; ``sql`` is a folder, ``coverage``
    the first limit in per cent, ``settings`` the settings module of Django."""

    ruff: bool = False
    ruff_format: bool = False
    mypy: bool = False
    sql: str = ""
    coverage: int = 80
    settings: str = ""


def stages(project: PythonProject, checks: Checks) -> dict[str, str]:
    """Return stage id -> its YAML."""
    made = {"lint": _lint(project, checks)}
    if checks.mypy:
        made["types"] = _types(project)
    if project.tests:
        made["unit"] = _unit(project, checks)
    return {**made, "security": _security(project)}


def _code(project: PythonProject) -> str:
    return " ".join(project.packages) or "."


def _lint(project: PythonProject, checks: Checks) -> str:
    own = "" if checks.ruff else _ERRORS
    steps = [("ruff check", f"ruff check {own}--output-format json {_code(project)} > $ARTIFACTS/ruff.json")]
    tools = {"ruff": "ruff.json"}
    if checks.ruff_format:
        steps.append(
            ("ruff format", f"ruff format --check --output-format json {_code(project)} > $ARTIFACTS/format.json")
        )
        tools["ruff-format"] = "format.json"
    if checks.sql:
        lint = "sqlfluff lint --dialect postgres --processes 1 -f json"
        steps.append(("sqlfluff", f"{lint} {checks.sql} > $ARTIFACTS/sqlfluff.json"))
        tools["sqlfluff"] = "sqlfluff.json"
    return _judged("lint", "Lint", "tools", steps, tools)


def _types(project: PythonProject) -> str:
    steps = [("mypy", f"mypy -O json {_code(project)} > $ARTIFACTS/mypy.json")]
    return _judged("types", "Types", "project", steps, {"mypy": "mypy.json"})


def _judged(stage: str, title: str, toolchain: str, steps: list[tuple[str, str]], tools: dict[str, str]) -> str:
    lines = "".join(f"      - {{name: {n}, run: '{run}', keep_going: true, judged_exits: [1]}}\n" for n, run in steps)
    named = ", ".join(f"{tool}: {file}" for tool, file in tools.items())
    return f"""\
  - id: {stage}
    title: {title}
    toolchain: {toolchain}
    inputs: ["**"]
    steps:
{lines}    gates:
      - {{kind: findings, tools: {{{named}}}}}
      - exit_status

"""


def _unit(project: PythonProject, checks: Checks) -> str:
    coverage = " ".join(f"--cov={path.rpartition('/')[2].removesuffix('.py')}" for path in project.packages) or "--cov"
    return f"""\
  - id: unit
    title: Unit tests
    toolchain: project
    inputs: ["**"]
    steps:
      - name: unit tests
        run: >-
          {_installed(project)}{_path(project)}
          pytest {project.tests}{_pytest_options(checks)} -q -p no:cacheprovider --junitxml=$ARTIFACTS/junit-$REPEAT.xml
          {coverage} --cov-report=xml:$ARTIFACTS/coverage.xml
        repeat: 2
        judged_exits: [1]
    gates:
      - {{kind: junit, reports: junit-*.xml}}
      # A first limit; raise it to what you have.
      - {{kind: coverage, total: {checks.coverage}}}
      - {{kind: flaky, reports: junit-*.xml, runs: 2, history: true}}
      - exit_status

"""


def _installed(project: PythonProject) -> str:
    """Return the words that install the project, without its dependencies, which the toolchain has, into a folder that is gone
    afterwards: tests see what users get, version and entry points included."""
    if not project.installable:
        return ""
    return (
        "site=$(mktemp -d); trap 'rm -rf $site build' EXIT;"
        " pip install --quiet --no-deps --no-build-isolation --no-index --target $site . &&\n          "
    )


def _path(project: PythonProject) -> str:
    if not project.installable:
        src = any(path.startswith("src/") for path in project.packages)
        return f"PYTHONPATH=$PWD{'/src:$PWD' if src else ''}"
    # A package at the top is a folder that coverage finds by its name: what is measured there must be what is imported.
    flat = any("/" not in path for path in project.packages)
    return f"PYTHONPATH={'$PWD:' if flat else ''}$site"


def _pytest_options(checks: Checks) -> str:
    return f" -p django --ds={checks.settings}" if checks.settings else ""


def _security(project: PythonProject) -> str:
    return f"""\
  - id: security
    title: Security
    toolchain: tools
    inputs: ["**"]
    history: true
    pass_env: [HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE]
    steps:
      - {{name: what is locked, run: cp {PROJECT} $ARTIFACTS/}}
      - {{name: bandit, run: bandit -q -r {_code(project)} -f json -o $ARTIFACTS/bandit.json, keep_going: true, judged_exits: [1]}}
      - {{name: secrets, run: dawsos scan secrets --out $ARTIFACTS/secrets.json, keep_going: true}}
      - name: dependency audit
        run: >-
          touch $ARTIFACTS/audit.json;
          pip-audit --require-hashes --disable-pip -r {PROJECT} -f json -o $ARTIFACTS/audit.json --progress-spinner off
        judged_exits: [1]
    gates:
      - {{kind: scan, fail_on: [HIGH, MEDIUM]}}
      - secrets
      # Where no advisory data can be reached, a laptop may go on, visibly; the production profile may not.
      - {{kind: vulnerabilities, sources: {{pip-audit: audit.json}}, resolved: {PROJECT}, not_audited: warn}}
      - exit_status

"""

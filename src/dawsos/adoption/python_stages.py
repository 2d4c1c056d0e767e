"""The quality stages of a Python project, as the YAML of a pipeline.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.adoption.baseline import QUARANTINE, WAIVERS
from dawsos.adoption.python_facts import PythonProject

TOOLS, PROJECT, SERVICE = "dawsos-tools.txt", "dawsos-project.txt", "dawsos-service.txt"
# What ruff looks for where the project has no configuration of it: what cannot work, and no matter of taste.
_ERRORS = "--isolated --select E9,F63,F7,F82 "


@dataclass(frozen=True)
class Checks:
    """Which checks a project has: of ``ruff``, whether that is configured, and of its format; ``sql`` is a folder, ``coverage``
    the first limit in per cent, ``settings`` the settings module of Django, ``odd_names`` whether pytest must be told how files
    of tests are called, ``baseline`` whether there are lists of exceptions."""

    ruff: bool = False
    ruff_format: bool = False
    mypy: bool = False
    sql: str = ""
    coverage: int = 80
    settings: str = ""
    odd_names: bool = False
    baseline: bool = False


def stages(project: PythonProject, checks: Checks) -> dict[str, str]:
    """Return stage id -> its YAML."""
    made = {"lint": _lint(project, checks)}
    if checks.mypy:
        made["types"] = _types(project, checks)
    if project.tests:
        made["unit"] = _unit(project, checks)
    return {**made, "security": _security(project, checks)}


def _code(project: PythonProject) -> str:
    return " ".join(project.packages) or "."


def _lint(project: PythonProject, checks: Checks) -> str:
    own = "" if checks.ruff else _ERRORS
    steps = [("ruff check", f"ruff check {own}--no-fix --output-format json {_code(project)} > $ARTIFACTS/ruff.json")]
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
    return _judged(("lint", "Lint", "tools"), steps, tools, checks)


def _types(project: PythonProject, checks: Checks) -> str:
    steps = [("mypy", f"mypy -O json {_code(project)} > $ARTIFACTS/mypy.json")]
    return _judged(("types", "Types", "project"), steps, {"mypy": "mypy.json"}, checks)


def _judged(named_as: tuple[str, str, str], steps: list[tuple[str, str]], tools: dict[str, str], checks: Checks) -> str:
    stage, title, toolchain = named_as
    lines = "".join(f"      - {{name: {n}, run: '{run}', keep_going: true, judged_exits: [1]}}\n" for n, run in steps)
    named = ", ".join(f"{tool}: {file}" for tool, file in tools.items())
    return f"""\
  - id: {stage}
    title: {title}
    toolchain: {toolchain}
    inputs: ["**"]
    steps:
{_copied(checks, WAIVERS)}{lines}    gates:
      - {{kind: findings, tools: {{{named}}}{_waivers(checks)}}}
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
{_copied(checks, QUARANTINE)}      - name: unit tests
        run: >-
          {_pytest(project, checks)} -q --junitxml=$ARTIFACTS/junit-$REPEAT.xml
          {coverage} --cov-report=xml:$ARTIFACTS/coverage.xml
        repeat: 2
        judged_exits: [1]
    gates:
      - {{kind: junit, reports: junit-*.xml{_quarantine(checks)}}}
      # A first limit; raise it to what you have.
      - {{kind: coverage, total: {checks.coverage}}}
      - {{kind: flaky, reports: junit-*.xml, runs: 2, history: true{_quarantine(checks)}}}
      - exit_status

"""


def collect(project: PythonProject, checks: Checks) -> str:
    """Return the command that collects the tests as the stage runs them."""
    return f"{_pytest(project, checks)} --collect-only -q".replace("\n          ", " ")


def _pytest(project: PythonProject, checks: Checks) -> str:
    options = f" -p django --ds={checks.settings}" if checks.settings else ""
    options += " -o 'python_files=test*.py *_test.py *_tests.py'" if checks.odd_names else ""
    words = f"{_path(project)} COVERAGE_FILE=$site/.coverage\n          pytest {project.tests}{options}"
    return f"{_installed(project)}{words} -p no:cacheprovider"


def _installed(project: PythonProject) -> str:
    """Return the words that make a folder which is gone afterwards, for all that is not to be left in the project.

    A project is installed there, without its dependencies, which the toolchain has: tests see what users get, version and entry points
    included.  What setuptools makes on the way lies there, too.
    """
    made = "site=$(mktemp -d); trap 'rm -rf $site' EXIT;"
    if not project.installable:
        return f"{made}\n          "
    outside = r"printf '[build]\nbuild_base=%s\n[egg_info]\negg_base=%s\n' $site/.build $site > $site/.cfg"
    return (
        f"{made} {outside};\n          "
        "DIST_EXTRA_CONFIG=$site/.cfg pip install --quiet --no-deps --no-build-isolation --no-index --target $site/lib . &&"
        "\n          "
    )


def _path(project: PythonProject) -> str:
    src = "$PWD/src:" if any(path.startswith("src/") for path in project.packages) else ""
    if not project.installable:
        return f"PYTHONPATH={src}$PWD"
    # A package at the top is a folder that coverage finds by its name: what is measured there must be what is imported.
    # Tests that lie within a package are imported from where they are.
    flat = "$PWD:" if any("/" not in path for path in project.packages) else ""
    inside = src if any(project.tests.startswith(f"{path}/") for path in project.packages) else ""
    return f"PYTHONPATH={inside}{flat}$site/lib"


def _copied(checks: Checks, name: str) -> str:
    return f"      - {{name: exceptions, run: cp {name} $ARTIFACTS/}}\n" if checks.baseline else ""


def _waivers(checks: Checks) -> str:
    return f", waivers: {WAIVERS}" if checks.baseline else ""


def _quarantine(checks: Checks) -> str:
    return f", quarantine: {QUARANTINE}" if checks.baseline else ""


def _security(project: PythonProject, checks: Checks) -> str:
    return f"""\
  - id: security
    title: Security
    toolchain: tools
    inputs: ["**"]
    history: true
    pass_env: [HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE]
    steps:
{_copied(checks, WAIVERS)}      - {{name: what is locked, run: cp {PROJECT} $ARTIFACTS/}}
      - {{name: bandit, run: bandit -q -r {_code(project)} -f json -o $ARTIFACTS/bandit.json, keep_going: true, judged_exits: [1]}}
      - {{name: secrets, run: dawsos scan secrets --out $ARTIFACTS/secrets.json, keep_going: true}}
      - name: dependency audit
        run: >-
          touch $ARTIFACTS/audit.json;
          pip-audit --require-hashes --disable-pip -r {PROJECT} -f json -o $ARTIFACTS/audit.json --progress-spinner off
        judged_exits: [1]
    gates:
      - {{kind: scan, fail_on: [HIGH, MEDIUM]{_waivers(checks)}}}
      - {{kind: secrets{_waivers(checks)}}}
      # Where no advisory data can be reached, a laptop may go on, visibly; the production profile may not.
      - {{kind: vulnerabilities, sources: {{pip-audit: audit.json}}, resolved: {PROJECT}, not_audited: warn{_waivers(checks)}}}
      - exit_status

"""


def service_lines(project: PythonProject, command: str, page: tuple[str, str, bool]) -> tuple[str, ...]:
    """Return the section ``service``: ``page`` is the health page with its status and whether it names a version.

    What pip cannot build is shipped as a folder, with its packages beside it.
    """
    path, status, versioned = page
    return (
        "project: .",
        f"requirements: {SERVICE}",
        *(() if project.installable else ("build: {folder: .}",)),
        f'command: "{command}"',
        "shell: true",
        f"health: {path}",
        f"healthy: {status or 'any'}",
        f"version: {'health' if versioned else 'none'}",
        f"ready: {path}",
    )

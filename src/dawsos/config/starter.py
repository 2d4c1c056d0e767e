"""The first ``pipeline.yaml`` of a Python project, as text, from what was found in it.  Pure; ``verbs.init`` reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

TOOLS = "dawsos-tools.txt"


@dataclass(frozen=True)
class Found:
    """What a project has.  ``packages`` are the folders of its import packages, ``tests`` that of its tests."""

    name: str
    packages: tuple[str, ...]
    tests: str = ""
    installable: bool = False
    ruff: bool = False
    ruff_format: bool = False
    mypy: bool = False
    sql: str = ""
    coverage: int = 80

    def describe(self) -> list[tuple[str, str]]:
        """Return (what, found) lines for a person."""
        return [
            ("packages", ", ".join(self.packages) or "none"),
            ("tests", self.tests or "none"),
            ("linter", "ruff" + (" with format" if self.ruff_format else "") + ("" if self.ruff else ", its defaults")),
            ("types", "mypy" if self.mypy else "not checked: the project has no mypy configuration"),
            ("SQL", self.sql or "none"),
        ]


def pipeline_text(found: Found) -> str:
    """Return the text of the pipeline: the quality stages work as they are, service and rollout are to be filled in."""
    stages = [_lint(found), *([_unit(found)] if found.tests else []), _security(found)]
    return f"""\
# Written by `dawsos init` from what it found.  docs/pipeline-yaml.md explains every word, docs/gates.md every gate.
version: 2
name: "{found.name}"
slo: {{error_rate: 1%, warm_p95: 1s, cold_p95: 2s}}
toolchains: {{tools: {{requirements: {TOOLS}}}}}
# How a release is built and run: to be filled in before `dawsos ship`; `dawsos run` does not need it.
service: {{project: ., requirements: requirements.txt, command: python -m {_module(found)}}}
environments: {{staging: {{replicas: 1}}, production: {{replicas: 2}}}}
stages:
{"".join(stages)}rollout:
  ladder: [{{weight: 10, duration: 5m}}, {{weight: 50, duration: 5m}}, {{weight: 100, duration: 5m}}]
  check_interval: 1m
profiles:
  laptop: {{durations: [6s, 6s, 6s], check_interval: 1s, no_data_deadline: 20s}}
"""


def _module(found: Found) -> str:
    return found.packages[0].rpartition("/")[2].removesuffix(".py") if found.packages else "app"


def _code(found: Found) -> str:
    return " ".join(found.packages) or "."


def _lint(found: Found) -> str:
    steps = [("ruff check", f"ruff check --output-format json {_code(found)} > $ARTIFACTS/ruff.json")]
    tools = {"ruff": "ruff.json"}
    if found.ruff_format:
        steps.append(
            ("ruff format", f"ruff format --check --output-format json {_code(found)} > $ARTIFACTS/format.json")
        )
        tools["ruff-format"] = "format.json"
    if found.mypy:
        steps.append(("mypy", f"mypy -O json {_code(found)} > $ARTIFACTS/mypy.json"))
        tools["mypy"] = "mypy.json"
    if found.sql:
        steps.append(
            (
                "sqlfluff",
                f"sqlfluff lint --dialect postgres --processes 1 -f json {found.sql} > $ARTIFACTS/sqlfluff.json",
            )
        )
        tools["sqlfluff"] = "sqlfluff.json"
    lines = "".join(f"      - {{name: {n}, run: {run}, keep_going: true, judged_exits: [1]}}\n" for n, run in steps)
    named = ", ".join(f"{tool}: {file}" for tool, file in tools.items())
    return f"""\
  - id: lint
    title: Lint and types
    toolchain: tools
    inputs: ["**"]
    steps:
{lines}    gates:
      - {{kind: findings, tools: {{{named}}}}}
      - exit_status

"""


def _unit(found: Found) -> str:
    # Installed without its dependencies, which the toolchain has, into a folder that is gone afterwards: tests see what
    # users get, version and entry points included.
    install = (
        "pip install --quiet --no-deps --no-build-isolation --no-index --target $site . && "
        if found.installable
        else ""
    )
    coverage = " ".join(f"--cov={path.rpartition('/')[2].removesuffix('.py')}" for path in found.packages)
    # A package at the top is a folder that coverage finds by its name: what is measured there must be what is imported.
    flat = found.installable and any("/" not in path for path in found.packages)
    return f"""\
  - id: unit
    title: Unit tests
    toolchain: tools
    inputs: ["**"]
    steps:
      - name: unit tests
        run: >-
          site=$(mktemp -d); trap 'rm -rf $site build' EXIT; {install}PYTHONPATH={"$PWD:" if flat else ""}$site
          pytest {found.tests} -q -p no:cacheprovider --junitxml=$ARTIFACTS/junit-$REPEAT.xml
          {coverage} --cov-report=xml:$ARTIFACTS/coverage.xml
        repeat: 2
        judged_exits: [1]
    gates:
      - {{kind: junit, reports: junit-*.xml}}
      # A first limit; raise it to what you have.
      - {{kind: coverage, total: {found.coverage}}}
      - {{kind: flaky, reports: junit-*.xml, runs: 2, history: true}}
      - exit_status

"""


def _security(found: Found) -> str:
    return f"""\
  - id: security
    title: Security
    toolchain: tools
    inputs: ["**"]
    history: true
    pass_env: [HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE]
    steps:
      - {{name: what is locked, run: cp {TOOLS} $ARTIFACTS/}}
      - {{name: bandit, run: bandit -q -r {_code(found)} -f json -o $ARTIFACTS/bandit.json, keep_going: true, judged_exits: [1]}}
      - {{name: secrets, run: dawsos scan secrets --out $ARTIFACTS/secrets.json, keep_going: true}}
      - name: dependency audit
        run: >-
          touch $ARTIFACTS/audit.json;
          pip-audit --require-hashes --disable-pip -r {TOOLS} -f json -o $ARTIFACTS/audit.json --progress-spinner off
        judged_exits: [1]
    gates:
      - {{kind: scan, fail_on: [HIGH, MEDIUM]}}
      - secrets
      # Where no advisory data can be reached, a laptop may go on, visibly; the production profile may not.
      - {{kind: vulnerabilities, sources: {{pip-audit: audit.json}}, resolved: {TOOLS}, not_audited: warn}}
      - exit_status

"""

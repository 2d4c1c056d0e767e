"""The first pipeline: whatever was found in a project, what is written for it is a good pipeline and asks for no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.config.load import load_pipeline
from dawsos.config.starter import TOOLS, Found, pipeline_text
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.runs.project import gate_options

BARE = Found("tiny", ())
FULL = Found(
    "tiny", ("src/mine", "src/more"), tests="tests", installable=True, ruff=True, ruff_format=True, mypy=True,
    sql="db/migrations", coverage=91,
)  # fmt: skip
PATHS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}(/[a-z_][a-z0-9_]{0,6}){0,2}", fullmatch=True)


def written(found: Found) -> Pipeline:
    return load_pipeline(pipeline_text(found), "pipeline.yaml", gate_options())


def commands(stage: Stage) -> str:
    return "\n".join(step.run for step in stage.steps)


def tools_judged(stage: Stage) -> dict[str, str]:
    (gate,) = (gate for gate in stage.gates if gate.kind == "findings")
    return dict(gate.written_options["tools"])


def test_a_project_with_everything_has_a_stage_for_everything() -> None:
    pipeline = written(FULL)
    assert pipeline.name == "tiny"
    assert [stage.id for stage in pipeline.stages] == ["lint", "unit", "security"]
    assert [[gate.kind for gate in stage.gates] for stage in pipeline.stages] == [
        ["findings", "exit_status"],
        ["junit", "coverage", "flaky", "exit_status"],
        ["scan", "secrets", "vulnerabilities", "exit_status"],
    ]
    assert pipeline.service.command == "python -m mine"
    assert pipeline.toolchains["tools"].requirements == TOOLS


def test_a_bare_project_is_checked_as_a_whole_by_ruff_alone() -> None:
    pipeline = written(BARE)
    assert [stage.id for stage in pipeline.stages] == ["lint", "security"]
    assert commands(pipeline.stage("lint")) == "ruff check --output-format json . > $ARTIFACTS/ruff.json"
    assert "bandit -q -r . " in commands(pipeline.stage("security"))
    assert pipeline.service.command == "python -m app"


@pytest.mark.parametrize(
    ("change", "tool", "report", "command"),
    [
        ({"ruff_format": True}, "ruff-format", "format.json", "ruff format --check --output-format json . "),
        ({"mypy": True}, "mypy", "mypy.json", "mypy -O json . "),
        (
            {"sql": "db/sql"},
            "sqlfluff",
            "sqlfluff.json",
            "sqlfluff lint --dialect postgres --processes 1 -f json db/sql ",
        ),
    ],
)
def test_a_tool_is_run_and_judged_only_where_the_project_has_it(
    change: dict[str, Any], tool: str, report: str, command: str
) -> None:
    lint = written(replace(BARE, **change)).stage("lint")
    assert tools_judged(lint) == {"ruff": "ruff.json", tool: report}
    assert f"{command}> $ARTIFACTS/{report}" in commands(lint)
    assert tool not in tools_judged(written(BARE).stage("lint"))


def test_every_report_that_a_gate_judges_is_written_by_a_step() -> None:
    lint = written(FULL).stage("lint")
    assert set(tools_judged(lint)) == {"ruff", "ruff-format", "mypy", "sqlfluff"}
    for report in tools_judged(lint).values():
        assert f"> $ARTIFACTS/{report}" in commands(lint)
    # A linter that finds something leaves the judgement to the gate, and the others are run all the same.
    assert all(step.keep_going and step.judged_exits == (1,) for step in lint.steps)


def test_tests_are_run_on_what_users_get_where_the_project_can_be_installed() -> None:
    assert "pip install --quiet --no-deps" in commands(written(FULL).stage("unit"))
    unit = commands(written(replace(FULL, installable=False, tests="test")).stage("unit"))
    assert "pip install" not in unit
    assert "pytest test -q" in unit


def test_a_package_at_the_top_is_imported_from_where_coverage_looks_for_it() -> None:
    """Coverage takes the name of a folder for that folder: with the installed copy imported, it measured 0 %."""
    assert "PYTHONPATH=$PWD:$site pytest" in commands(written(replace(FULL, packages=("mine",))).stage("unit"))
    assert "PYTHONPATH=$site pytest" in commands(written(FULL).stage("unit"))
    assert "PYTHONPATH=$site pytest" in commands(
        written(replace(FULL, packages=("mine",), installable=False)).stage("unit")
    )


def test_coverage_is_of_the_import_packages_with_the_limit_that_was_found() -> None:
    unit = written(FULL).stage("unit")
    assert "--cov=mine --cov=more --cov-report=xml" in commands(unit)
    (limit,) = (gate.written_options["total"] for gate in unit.gates if gate.kind == "coverage")
    assert limit == 91
    single = written(replace(FULL, packages=("one.py",)))
    assert "--cov=one " in commands(single.stage("unit"))
    assert single.service.command == "python -m one"


@pytest.mark.parametrize("name", ["null", "true", "false", "y", "on", "no", "tiny-1_0"])
def test_a_name_that_yaml_takes_for_something_else_is_still_the_name(name: str) -> None:
    assert written(replace(BARE, name=name)).name == name


def test_what_was_found_is_told_line_by_line() -> None:
    assert FULL.describe() == [
        ("packages", "src/mine, src/more"), ("tests", "tests"), ("linter", "ruff with format"), ("types", "mypy"),
        ("SQL", "db/migrations"),
    ]  # fmt: skip
    assert BARE.describe() == [
        ("packages", "none"), ("tests", "none"), ("linter", "ruff, its defaults"),
        ("types", "not checked: the project has no mypy configuration"), ("SQL", "none"),
    ]  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        Found, name=st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True), packages=st.lists(PATHS, max_size=3).map(tuple),
        tests=st.just("") | PATHS, installable=st.booleans(), ruff=st.booleans(), ruff_format=st.booleans(),
        mypy=st.booleans(), sql=st.just("") | PATHS, coverage=st.integers(1, 100),
    )
)  # fmt: skip
def test_whatever_was_found_what_is_written_is_a_good_pipeline(found: Found) -> None:
    pipeline = written(found)
    assert pipeline.name == found.name
    assert [stage.id for stage in pipeline.stages] == ["lint", *(["unit"] if found.tests else []), "security"]
    assert ("mypy" in tools_judged(pipeline.stage("lint"))) is found.mypy
    assert all(path in commands(pipeline.stage("lint")) for path in found.packages)

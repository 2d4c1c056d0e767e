"""The stages of a Python project: whatever was found, they are good, and ask for no more than the project has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.adoption.baseline import WAIVERS
from dawsos.adoption.contract import Draft, Environment
from dawsos.adoption.python_facts import PythonProject
from dawsos.adoption.python_stages import PROJECT, SERVICE, TOOLS, Checks, collect, service_lines, stages
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.runs.project import gate_options

BARE, NOTHING = PythonProject(()), Checks()
FULL = PythonProject(("src/mine", "src/more"), tests="tests", installable=True)
EVERYTHING = Checks(ruff=True, ruff_format=True, mypy=True, sql="db/migrations", coverage=91)
PATHS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}(/[a-z_][a-z0-9_]{0,6}){0,2}", fullmatch=True)


def written(project: PythonProject, checks: Checks = NOTHING) -> Pipeline:
    made = stages(project, checks)
    lists = (Environment("tools", TOOLS), Environment("project", PROJECT))
    draft = Draft("python", "tiny", (), tuple(made), tuple(made.values()), toolchains=lists)
    return load_pipeline(pipeline_text(draft), "pipeline.yaml", gate_options())


def commands(stage: Stage) -> str:
    return "\n".join(step.run for step in stage.steps)


def tools_judged(stage: Stage) -> dict[str, str]:
    (gate,) = (gate for gate in stage.gates if gate.kind == "findings")
    return dict(gate.written_options["tools"])


def test_a_project_with_everything_has_a_stage_for_everything() -> None:
    pipeline = written(FULL, EVERYTHING)
    assert [(stage.id, stage.toolchain) for stage in pipeline.stages] == [
        ("lint", "tools"), ("types", "project"), ("unit", "project"), ("security", "tools"),
    ]  # fmt: skip
    assert [[gate.kind for gate in stage.gates] for stage in pipeline.stages] == [
        ["findings", "exit_status"],
        ["findings", "exit_status"],
        ["junit", "coverage", "flaky", "exit_status"],
        ["scan", "secrets", "vulnerabilities", "exit_status"],
    ]


def test_a_bare_project_is_checked_as_a_whole_for_errors_alone() -> None:
    pipeline = written(BARE)
    assert [stage.id for stage in pipeline.stages] == ["lint", "security"]
    assert commands(pipeline.stage("lint")) == (
        "ruff check --isolated --select E9,F63,F7,F82 --no-fix --output-format json . > $ARTIFACTS/ruff.json"
    )
    assert "bandit -q -r . " in commands(pipeline.stage("security"))


@pytest.mark.parametrize(
    ("change", "tool", "report", "command"),
    [
        ({"ruff_format": True}, "ruff-format", "format.json", "ruff format --check --output-format json . "),
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
    lint = written(BARE, replace(NOTHING, **change)).stage("lint")
    assert tools_judged(lint) == {"ruff": "ruff.json", tool: report}
    assert f"{command}> $ARTIFACTS/{report}" in commands(lint)
    assert tool not in tools_judged(written(BARE).stage("lint"))


def test_every_report_that_a_gate_judges_is_written_by_a_step() -> None:
    for name in ("lint", "types"):
        stage = written(FULL, EVERYTHING).stage(name)
        for report in tools_judged(stage).values():
            assert f"> $ARTIFACTS/{report}" in commands(stage)
        # A linter that finds something leaves the judgement to the gate, and the others are run all the same.
        assert all(step.keep_going and step.judged_exits == (1,) for step in stage.steps)


def test_tests_are_run_on_what_users_get_where_the_project_can_be_installed() -> None:
    assert "pip install --quiet --no-deps --no-build-isolation --no-index --target $site/lib . &&" in commands(
        written(FULL).stage("unit")
    )
    unit = commands(written(replace(FULL, installable=False, tests="test")).stage("unit"))
    assert "pip install" not in unit
    assert "PYTHONPATH=$PWD/src:$PWD COVERAGE_FILE=$site/.coverage pytest test -p no:cacheprovider -q" in unit


def test_a_package_at_the_top_is_imported_from_where_coverage_looks_for_it() -> None:
    """Coverage takes the name of a folder for that folder: with the installed copy imported, it measured 0 %."""
    assert "PYTHONPATH=$PWD:$site/lib COVERAGE_FILE=$site/.coverage pytest" in commands(
        written(replace(FULL, packages=("mine",))).stage("unit")
    )
    assert "PYTHONPATH=$site/lib COVERAGE_FILE=$site/.coverage pytest" in commands(written(FULL).stage("unit"))
    plain = replace(FULL, packages=("mine",), installable=False)
    assert "PYTHONPATH=$PWD COVERAGE_FILE=$site/.coverage pytest" in commands(written(plain).stage("unit"))


def test_coverage_is_of_the_import_packages_with_the_limit_that_was_found() -> None:
    unit = written(FULL, EVERYTHING).stage("unit")
    assert "--cov=mine --cov=more --cov-report=xml" in commands(unit)
    (limit,) = (gate.written_options["total"] for gate in unit.gates if gate.kind == "coverage")
    assert limit == 91
    assert "--cov=one " in commands(written(replace(FULL, packages=("one.py",))).stage("unit"))


def test_the_tests_of_django_are_run_with_its_settings() -> None:
    unit = written(replace(FULL, tests="."), replace(NOTHING, settings="site.settings")).stage("unit")
    assert "pytest . -p django --ds=site.settings -p no:cacheprovider -q" in commands(unit)


def test_nothing_is_left_in_the_project_and_nothing_in_it_is_changed() -> None:
    """ruff mended files where the project's settings say fix, and coverage left its data, in projects that others published."""
    for project in (FULL, replace(FULL, installable=False)):
        pipeline = written(project, EVERYTHING)
        assert "COVERAGE_FILE=$site/.coverage" in commands(pipeline.stage("unit"))
        assert "trap 'rm -rf $site' EXIT" in commands(pipeline.stage("unit"))
        assert "ruff check --no-fix" in commands(pipeline.stage("lint"))


def test_tests_within_a_package_are_imported_from_where_they_are() -> None:
    inside = replace(FULL, packages=("src/mine",), tests="src/mine/tests")
    assert "PYTHONPATH=$PWD/src:$site/lib COVERAGE_FILE=$site/.coverage pytest src/mine/tests" in commands(
        written(inside).stage("unit")
    )


def test_files_that_only_unittest_takes_for_tests_are_named_to_pytest() -> None:
    unit = commands(written(FULL, replace(NOTHING, odd_names=True)).stage("unit"))
    assert "-o 'python_files=test*.py *_test.py *_tests.py'" in unit


def test_the_tests_are_collected_as_the_stage_runs_them() -> None:
    unit, collecting = commands(written(FULL).stage("unit")), collect(FULL, NOTHING)
    head, _, rest = unit.partition(" -q --junitxml")
    assert collecting == f"{head} --collect-only -q"
    assert "--cov=mine" in rest


def test_with_a_baseline_every_gate_that_knows_exceptions_reads_them_and_a_step_brings_them() -> None:
    for stage in written(FULL, replace(EVERYTHING, baseline=True)).stages:
        lists = {
            value
            for gate in stage.gates
            for key, value in gate.written_options.items()
            if key in ("waivers", "quarantine")
        }
        (name,) = lists
        assert stage.steps[0].run == f"cp {name} $ARTIFACTS/"
        known = [gate for gate in stage.gates if "waivers" in type(gate.options).model_fields]
        assert all(gate.written_options.get("waivers") == WAIVERS for gate in known)
    assert "exceptions" not in pipeline_text(
        Draft("python", "x", (), ("lint",), tuple(stages(FULL, EVERYTHING).values()))
    )


def test_a_service_is_a_package_or_a_folder_with_its_packages_beside_it() -> None:
    lines = service_lines(FULL, "python -m uvicorn 'a:b()' --host $HOST", ("/health", "ok", False))
    draft = Draft(
        "python", "tiny", (), ("lint",), (stages(FULL, NOTHING)["lint"],), service=lines, builds=", toolchain: project"
    )
    lists = (Environment("tools", TOOLS), Environment("project", PROJECT))
    service = load_pipeline(pipeline_text(draft.changed(toolchains=lists)), "pipeline.yaml", gate_options()).service
    assert (service.command, service.shell, service.build) == ("python -m uvicorn 'a:b()' --host $HOST", True, None)
    assert (service.health, service.healthy, service.version, service.requirements) == (
        "/health",
        "ok",
        "none",
        SERVICE,
    )
    plain = service_lines(replace(FULL, installable=False), "python -m shop", ("/", "", True))
    assert {"build: {folder: .}", "healthy: any", "version: health"} <= set(plain)


@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        PythonProject, packages=st.lists(PATHS, max_size=3).map(tuple), tests=st.just("") | PATHS, installable=st.booleans()
    ),
    st.builds(
        Checks, ruff=st.booleans(), ruff_format=st.booleans(), mypy=st.booleans(), sql=st.just("") | PATHS,
        coverage=st.integers(1, 100),
    ),
)  # fmt: skip
def test_whatever_was_found_what_is_written_is_a_good_pipeline(project: PythonProject, checks: Checks) -> None:
    pipeline = written(project, checks)
    wanted = ["lint", *(["types"] if checks.mypy else []), *(["unit"] if project.tests else []), "security"]
    assert [stage.id for stage in pipeline.stages] == wanted
    assert all(path in commands(pipeline.stage("lint")) for path in project.packages)

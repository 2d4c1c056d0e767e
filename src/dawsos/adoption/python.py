"""A Python project: what was found in it, and the draft of its first pipeline.  Pure."""

from __future__ import annotations

from dataclasses import replace

from dawsos.adoption import python_layout as layout
from dawsos.adoption.contract import Answers, Draft, Environment, Tree
from dawsos.adoption.python_app import django_settings, find_app, pages
from dawsos.adoption.python_facts import Lock, PythonProject
from dawsos.adoption.python_metadata import Metadata
from dawsos.adoption.python_stages import PROJECT, TOOLS, Checks, collect, stages

_SIGNS = ("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "manage.py", "requirements.txt")
_LOCKS: dict[str, str] = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pipenv"}
# Where projects list what their tests need, when neither an extra nor a dependency group says it; the looser list first.
_TEST_FILES = (
    "requirements/tests.in", "requirements/test.in", "requirements/tests.txt", "requirements/test.txt", "requirements-test.txt",
    "requirements-tests.txt", "test-requirements.txt", "requirements_test.txt", "requirements-dev.txt", "requirements_dev.txt",
    "dev-requirements.txt", "requirements/dev.txt", "requirements/development.txt", "tests/requirements.txt",
)  # fmt: skip
_RUN_FILES = (
    "requirements.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
    "requirements/production.txt",
)


def draft(tree: Tree, answers: Answers) -> Draft | None:
    """Return the draft of a Python project, None when it is none; raises BadInput for a file that cannot be read."""
    if not any(tree.has(path) for path in _SIGNS):
        return None
    said = Metadata(tree)
    checks = _checks(tree, said, answers)
    found = _project(tree, said, answers)
    found = replace(found, collect=collect(found, checks) if found.tests else "", sql=bool(checks.sql))
    written = stages(found, checks)
    return Draft(
        kind="python",
        name=said.name,
        found=_told(found, checks),
        ids=tuple(written),
        stages=tuple(written.values()),
        missing=_missing(found),
        toolchains=(Environment("tools", TOOLS), Environment("project", PROJECT)),
        python=found,
        builds=", toolchain: project",
    )


def _project(tree: Tree, said: Metadata, answers: Answers) -> PythonProject:
    tests = "" if answers.tests == "none" else answers.tests or layout.where_tests_are(tree)
    tools = ["pytest", "pytest-cov", *(["pytest-django"] if django_settings(tree) else [])] if tests else []
    tools += ["mypy"] if _mypy(tree, said) else []
    lock, run = _lock(tree, said), _run_sources(tree, said)
    return PythonProject(
        packages=layout.packages(tree),
        requires=said.requires_python,
        tests=tests,
        installable=said.installable,
        lock=lock,
        sources=() if lock else (*run, *_test_sources(tree, said)),
        run_sources=0 if lock else len(run),
        tools=(*tools, *said.backend),
        needs=answers.needs,
        app=find_app(tree, answers.app),
        pages=(answers.health,) if answers.health else pages(tree),
    )


def _lock(tree: Tree, said: Metadata) -> Lock | None:
    """Return the project's own lock, the first of the formats that is there."""
    extras = (said.extra,) if said.extra else ()
    for path, form in _LOCKS.items():
        if tree.has(path):
            return Lock(form, path, said.groups, extras)  # type: ignore[arg-type]
    hashed = [path for path in (tree.first(*_RUN_FILES),) if "--hash=" in tree.text(path)]
    return Lock("requirements", hashed[0]) if hashed else None


def _run_sources(tree: Tree, said: Metadata) -> tuple[str, ...]:
    """Return what pip resolves where there is no lock: the project itself, or its list."""
    if said.installable:
        return (f".[{said.extra}]" if said.extra else ".",)
    listed = tree.first(*_RUN_FILES)
    return (*([f"-r {listed}"] if listed else []), *map(str, said.project.get("dependencies") or ()))


def _test_sources(tree: Tree, said: Metadata) -> tuple[str, ...]:
    """Return what the tests need beside that."""
    listed = tree.first(*_TEST_FILES) if not said.extra and not said.groups else ""
    return (*said.group_requirements, *([f"-r {listed}"] if listed else []))


def _mypy(tree: Tree, said: Metadata) -> bool:
    return bool(said.tool("mypy")) or tree.has("mypy.ini") or tree.has(".mypy.ini") or "mypy" in said.settings


def _checks(tree: Tree, said: Metadata, answers: Answers) -> Checks:
    ruff = said.tool("ruff")
    sql = next((path.rpartition("/")[0] for path in tree.named("migrations/*.sql")), "")
    return Checks(
        ruff=bool(ruff) or bool(tree.first("ruff.toml", ".ruff.toml")),
        ruff_format="format" in ruff,
        mypy=_mypy(tree, said),
        sql=sql,
        coverage=answers.coverage or _coverage(said),
        baseline=answers.baseline,
        settings=django_settings(tree) if not _names_settings(said) else "",
        odd_names=layout.odd_names(layout.files_of_tests(tree)) and not _names_files(said),
    )


def _names_settings(said: Metadata) -> bool:
    """Return whether the project tells pytest-django its settings itself."""
    return bool(
        said.tool("pytest.ini_options").get("DJANGO_SETTINGS_MODULE") or _of_pytest(said, "DJANGO_SETTINGS_MODULE")
    )


def _names_files(said: Metadata) -> bool:
    """Return whether the project tells pytest how its files of tests are called."""
    return bool(said.tool("pytest.ini_options").get("python_files") or _of_pytest(said, "python_files"))


def _of_pytest(said: Metadata, key: str) -> str:
    return said.setting("pytest", key) or said.setting("tool:pytest", key)


def _coverage(said: Metadata) -> int:
    """Return the limit that the project has itself, rounded down, else a first one."""
    own = said.tool("coverage.report").get("fail_under") or said.setting("coverage:report", "fail_under")
    own = own or said.setting("report", "fail_under")
    try:
        return max(1, min(100, int(float(own)))) if own else 80
    except ValueError:
        return 80


def _told(found: PythonProject, checks: Checks) -> tuple[tuple[str, str], ...]:
    """Return (what, found) lines for a person."""
    linter = "ruff, for errors only: the project has no configuration of ruff"
    return (
        ("packages", ", ".join(found.packages) or "none"),
        ("tests", found.tests or "none"),
        ("linter", ("ruff with format" if checks.ruff_format else "ruff") if checks.ruff else linter),
        ("types", "mypy" if checks.mypy else "not checked: the project has no mypy configuration"),
        ("SQL", checks.sql or "none"),
        ("lock", found.lock.path if found.lock else "none: pip resolves what the project asks for"),
        ("Python", found.requires or "any: the project does not say"),
        ("service", found.app.target if found.app else "none"),
    )


def _missing(found: PythonProject) -> tuple[str, ...]:
    return () if found.tests else ("no file test_*.py was found: the pipeline has no stage of unit tests",)

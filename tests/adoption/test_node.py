"""The draft of a Node project."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.node import draft
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

SERVER = 'http.listen(process.env.PORT); "/healthz"; "/items"'
LOCK = json.dumps({"lockfileVersion": 3, "packages": {"": {}, "node_modules/express": {"version": "4.0.0"}}})
LOCAL = json.dumps({"lockfileVersion": 3, "packages": {"": {}, "node_modules/mine": {"link": True}}})


def made(files: dict[str, str] | None = None, **said: Any) -> Draft:
    package = {"name": "@acme/Shop", "main": "server.js", **said}
    drafted = draft(
        Tree.of("folder", {"package.json": json.dumps(package), "server.js": SERVER, **(files or {})}), Answers()
    )
    assert drafted is not None
    return drafted


def pipeline(drafted: Draft) -> Pipeline:
    return load_pipeline(pipeline_text(drafted), "pipeline.yaml", gate_options())


def test_a_folder_without_a_package_is_none() -> None:
    assert draft(Tree.of("folder", {"server.js": SERVER}), Answers()) is None


def test_a_service_without_packages_needs_node_alone() -> None:
    drafted = made()
    read = pipeline(drafted)
    assert (read.name, read.toolchains["node"].programs) == ("shop", ("node",))
    assert (read.service.command, read.service.shell, read.service.ready) == ("node server.js", False, "/healthz")
    assert read.service.build is not None
    assert read.service.build.run is None
    assert [stage.id for stage in read.stages] == ["secrets", "build", "staging", "canary"]
    assert drafted.missing == ()


@pytest.mark.parametrize(
    ("lock", "run", "program"),
    [
        ("package-lock.json", "npm ci --omit=dev", "npm"),
        ("yarn.lock", "yarn install --frozen-lockfile --production", "yarn"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile --prod", "pnpm"),
    ],
)
def test_packages_come_from_the_projects_own_lock(lock: str, run: str, program: str) -> None:
    read = pipeline(made({lock: LOCK if lock.endswith("json") else "x"}))
    assert read.service.build is not None
    assert (read.service.build.run, read.toolchains["node"].programs) == (run, ("node", program))


def test_packages_without_a_lock_are_told() -> None:
    drafted = made(dependencies={"express": "^4"})
    assert any("no lock" in line for line in drafted.missing)
    built = pipeline(drafted).service.build
    assert built is not None
    assert built.run == "npm install --omit=dev"


def test_what_is_built_is_built_with_everything_and_shipped_without() -> None:
    built = pipeline(
        made({"package-lock.json": LOCK}, scripts={"build": "tsc", "start": "node dist/main.js"})
    ).service.build
    assert built is not None
    assert built.run == "npm ci && npm run build && npm prune --omit=dev"


@pytest.mark.parametrize(
    ("start", "command", "shell"),
    [
        ("node server.js --fast", "node server.js --fast", False),
        ("next start", "./node_modules/.bin/next start", False),
        ("NODE_ENV=production node server.js", "NODE_ENV=production node server.js", True),
        ("node server.js -p $PORT", "node server.js -p $PORT", True),
    ],
)
def test_the_command_is_the_start_script(start: str, command: str, shell: bool) -> None:
    service = pipeline(made(scripts={"start": start})).service
    assert (service.command, service.shell) == (command, shell)


def test_a_library_ships_nothing() -> None:
    drafted = made(main=None)
    assert drafted.service == ()
    assert "none" in dict(drafted.found)["command"]


def test_tests_of_node_itself_are_read_and_others_are_run() -> None:
    own = pipeline(made(scripts={"test": "node --test"})).stage("unit")
    assert own.steps[0].run == "node --test --test-reporter=junit --test-reporter-destination=$ARTIFACTS/junit.xml"
    assert [gate.kind for gate in own.gates] == ["junit", "exit_status"]
    other = pipeline(made({"package-lock.json": LOCK}, scripts={"test": "jest", "lint": "eslint ."}))
    assert [step.run for step in other.stage("unit").steps] == ["npm ci", "npm test"]
    assert [step.run for step in other.stage("lint").steps] == ["npm ci", "npm run lint"]
    assert "unit" not in made(scripts={"test": 'echo "Error: no test specified" && exit 1'}).ids


def test_a_bill_of_materials_is_of_packages_that_a_registry_knows() -> None:
    assert "sbom" in made({"package-lock.json": LOCK}).ids
    assert "sbom" not in made({"package-lock.json": LOCAL}).ids
    assert "sbom" not in made({"package-lock.json": "{"}).ids


def test_a_service_that_does_not_listen_where_it_should_is_told() -> None:
    assert any("variable PORT" in line for line in made({"server.js": "listen(3000)"}).missing)


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_a_package_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"package\.json"):
        draft(Tree.of("folder", {"package.json": text}), Answers())

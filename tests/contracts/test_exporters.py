"""What every exporter must do, run on the pipeline of DawsOS and on the tiny ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML

from dawsos.errors import BadInput
from dawsos.exporters.registry import EXPORTERS
from dawsos.exporters.text import header
from dawsos.model.exports import ExporterName, ExportOptions, Exports
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load
from dawsos.verbs.export import render

ROOT = Path(__file__).resolve().parents[2]
# The folders whose file is refused hold no pipeline.
REFUSED = ("cycle", "older", "unknown-gate")
PROJECTS = [ROOT, *sorted(path.parent for path in (ROOT / "tests/pipelines").glob("*/pipeline.yaml"))]


def rendered(name: ExporterName, pipeline: Pipeline) -> Mapping[str, str]:
    options: ExportOptions | None = getattr(pipeline.exports, name)
    try:
        return render(pipeline, name, options)
    except BadInput as refused:
        if not refused.fix:
            pytest.fail(f"who refuses a pipeline says what to do: {refused}")
        return {}


@pytest.fixture(params=EXPORTERS)
def name(request: pytest.FixtureRequest) -> ExporterName:
    found: ExporterName = request.param
    return found


@pytest.fixture(params=[folder for folder in PROJECTS if folder.name not in REFUSED], ids=lambda folder: folder.name)
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return load(request.param)


def test_it_makes_the_same_files_each_time(name: ExporterName, pipeline: Pipeline) -> None:
    assert rendered(name, pipeline) == rendered(name, pipeline)


def test_its_files_lie_in_the_project_and_say_who_made_them(name: ExporterName, pipeline: Pipeline) -> None:
    for path, text in rendered(name, pipeline).items():
        where = PurePosixPath(path)
        assert not where.is_absolute()
        assert ".." not in where.parts
        assert header(name) in text
        assert text.endswith("\n")


def test_its_files_can_be_read(name: ExporterName, pipeline: Pipeline) -> None:
    for path, text in rendered(name, pipeline).items():
        if path.endswith((".yml", ".yaml")):
            documents = list(YAML(typ="safe", pure=True).load_all(text))
            assert all(isinstance(document, dict) for document in documents), path
        elif path.endswith(".json"):
            assert isinstance(json.loads(text), dict), path


def test_it_has_something_for_dawsos(name: ExporterName) -> None:
    assert rendered(name, load(ROOT))


def test_its_options_are_those_of_the_section_exports(name: ExporterName) -> None:
    assert Exports.model_fields[name].annotation == EXPORTERS[name].options | None

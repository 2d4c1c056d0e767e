"""``dawsos export`` writes what pipeline.yaml gives, tells a difference, and overwrites nothing that it did not make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.exporters.contract import Exporter
from dawsos.exporters.registry import EXPORTERS
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline
from dawsos.verbs.export import ExportedFile, export
from support.paper import Paper


def limits(pipeline: Pipeline, options: AlertsOptions) -> dict[str, str]:
    """A real exporter of one number, in two files."""
    value = {"error_rate": pipeline.slo.error_rate}
    return {"deploy/alerts/limits.yml": yaml_text("alerts", value), "limits.yml": yaml_text("alerts", value)}


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    monkeypatch.setitem(EXPORTERS, "alerts", Exporter(AlertsOptions, limits))
    paper = Paper(tmp_path / "project")
    path = paper.project.root / "pipeline.yaml"
    path.write_text(path.read_text() + "exports: {alerts: {}}\n")
    return paper


def states(paper: Paper, *names: str, check: bool = False) -> dict[str, str]:
    return {file.path: file.state for file in export(paper.project, names, check=check).files}


def test_it_writes_what_is_kept_and_then_all_is_the_same(paper: Paper) -> None:
    assert states(paper, check=True) == {"deploy/alerts/limits.yml": "missing", "limits.yml": "missing"}
    assert states(paper) == {"deploy/alerts/limits.yml": "written", "limits.yml": "written"}
    assert states(paper, check=True) == states(paper) == {"deploy/alerts/limits.yml": "same", "limits.yml": "same"}
    assert export(paper.project, (), check=True).current


def test_a_changed_objective_is_a_difference_until_it_is_exported(paper: Paper) -> None:
    export(paper.project, (), check=False)
    path = paper.project.root / "pipeline.yaml"
    before = path.read_text()
    path.write_text(before.replace("error_rate: 1%", "error_rate: 3%"))
    assert path.read_text() != before
    found = export(paper.project, (), check=True)
    assert not found.current
    assert {file.state for file in found.files} == {"differs"}
    assert "-error_rate: 0.01\n+error_rate: 0.03" in found.files[0].diff
    assert set(states(paper).values()) == {"written"}
    assert export(paper.project, (), check=True).current


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda text: text.replace("\n", "\r\n"), r"-error_rate: 0.01\r\n"), (str.rstrip, "-error_rate: 0.01\n")],
)
def test_a_difference_in_the_ends_of_lines_only_is_told_too(
    change: Callable[[str], str], told: str, paper: Paper
) -> None:
    export(paper.project, (), check=False)
    path = paper.project.root / "limits.yml"
    path.write_bytes(change(path.read_text()).encode())
    (found,) = [file for file in export(paper.project, (), check=True).files if file.state == "differs"]
    assert told in found.diff
    assert r"+error_rate: 0.01\n" in found.diff
    assert set(states(paper).values()) == {"written", "same"}


def test_an_export_that_is_named_twice_is_made_once(paper: Paper) -> None:
    made = export(paper.project, ("grafana", "alerts", "grafana", "alerts"), check=True)
    assert made.unlisted == ("grafana",)
    assert len({file.path for file in made.files}) == len(made.files)


def test_a_file_of_somebody_else_stays_and_nothing_is_written(paper: Paper) -> None:
    theirs = paper.project.root / "limits.yml"
    theirs.write_text("error_rate: mine\n")
    with pytest.raises(BadInput, match="was not made by dawsos export"):
        export(paper.project, (), check=False)
    assert theirs.read_text() == "error_rate: mine\n"
    assert not (paper.project.root / "deploy").exists()


def test_nothing_is_written_through_a_link(paper: Paper, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (paper.project.root / "deploy").symlink_to(outside)
    with pytest.raises(BadInput, match="is a link, or lies behind one"):
        export(paper.project, (), check=False)
    assert list(outside.iterdir()) == []


def test_what_is_no_longer_made_is_stale(paper: Paper) -> None:
    export(paper.project, (), check=False)
    folder = paper.project.root / "deploy/alerts"
    (folder / "old.yml").write_text((folder / "limits.yml").read_text())
    (folder / "own.yml").write_text("rules: []\n")
    found = export(paper.project, (), check=True)
    assert not found.current
    assert ExportedFile("deploy/alerts/old.yml", "stale") in found.files
    assert "deploy/alerts/own.yml" not in {file.path for file in found.files}
    assert (folder / "old.yml").exists()


def test_another_folder_takes_the_files(paper: Paper, tmp_path: Path) -> None:
    export(paper.project, (), check=False, out=tmp_path / "else")
    assert (tmp_path / "else/deploy/alerts/limits.yml").is_file()
    assert not (paper.project.root / "limits.yml").exists()


def test_an_export_that_is_not_kept_is_told(paper: Paper) -> None:
    path = paper.project.root / "pipeline.yaml"
    path.write_text(path.read_text().replace("exports: {alerts: {}}\n", ""))
    with pytest.raises(BadInput, match="lists no exports"):
        export(paper.project, (), check=False)
    assert export(paper.project, ("alerts",), check=False).unlisted == ("alerts",)


def test_an_unknown_export_is_refused_with_the_nearest(paper: Paper) -> None:
    with pytest.raises(BadInput, match="did you mean 'alerts'"):
        export(paper.project, ("alert",), check=False)

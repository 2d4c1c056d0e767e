"""The dashboards point to runbooks that exist, and follow pipeline.yaml."""

from __future__ import annotations

import json
import re

import pytest

from dawsos.exporters.grafana import EXPORTER, render
from dawsos.exporters.grafana_panels import Runbook, Section
from dawsos.exporters.text import header
from dawsos.model.exports import GrafanaOptions
from dawsos.model.pipeline import Slo
from dawsos.runs.project import load
from exporters.boards import ROOT, RUNBOOKS, boards, dawsos, panels

BOARDS = boards()


@pytest.mark.parametrize("name", BOARDS)
def test_labels_that_series_are_named_by_are_kept_by_the_query(name: str) -> None:
    for shown in panels(BOARDS[name]):
        for target in shown["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                grouped = {
                    each for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for each in group.split(", ")
                }
                assert label in grouped or "by (" not in target["expr"], target


def test_every_runbook_section_exists() -> None:
    headings = re.findall(r"^###? (.+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {section.value for section in Section} <= set(headings)


def test_every_panel_says_what_it_shows_and_where_help_is() -> None:
    linked = boards(runbooks="https://example.org/runbooks.md")
    for name, board in BOARDS.items():
        for shown, with_link in zip(panels(board), panels(linked[name]), strict=True):
            text = shown["description"]
            assert text.endswith("."), text
            assert shown["links"] == [], "a path is no address that a browser could open"
            if "Runbook:" in text:
                (link,) = with_link["links"]
                assert link["url"].startswith("https://example.org/runbooks.md#")
                assert link["url"] in with_link["description"]


def test_the_names_of_files_and_dashboards_stay() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "pipeline": "dawsos-pipeline",
        "rollout": "dawsos-rollout",
        "service": "dawsos-overview",
    }
    assert list(render(dawsos(), GrafanaOptions(folder="ops/boards"))) == [
        "ops/boards/pipeline.json",
        "ops/boards/rollout.json",
        "ops/boards/service.json",
    ]
    assert EXPORTER.options is GrafanaOptions


def test_each_file_says_who_made_it_and_has_its_keys_in_order() -> None:
    for text in render(dawsos(), GrafanaOptions()).values():
        board = json.loads(text)
        assert board["description"].endswith(header("grafana"))
        assert text == json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_a_pipeline_that_deploys_nothing_has_the_dashboard_of_its_runs() -> None:
    found = boards(load(ROOT / "tests" / "pipelines" / "good"))
    assert list(found) == ["pipeline"]


def test_they_follow_the_objectives() -> None:
    slo = Slo(error_rate=0.02, warm_p95=0.3, cold_p95=2.0)
    changed = boards(dawsos().model_copy(update={"slo": slo}))
    assert changed["pipeline"] == BOARDS["pipeline"]
    for name in ("rollout", "service"):
        before, after = json.dumps(BOARDS[name]), json.dumps(changed[name])
        assert '"value": 0.02' in after
        assert '"value": 0.3' in after
        assert '"value": 0.005' not in after
        assert '"value": 1.2' not in after
        assert '"value": 0.005' in before
        assert '"value": 1.2' in before


@pytest.mark.parametrize("folder", ["/etc", "../up", "a/../b", "a//b", "", ".github/x"])
def test_a_folder_outside_of_the_project_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        GrafanaOptions(folder=folder)


def test_a_path_is_named_and_an_address_is_linked() -> None:
    assert Runbook("docs/runbooks.md").links(Section.CRASHES) == []
    assert Runbook("docs/runbooks.md").sentence(Section.CRASHES) == (
        'Runbook: `docs/runbooks.md`, section "A process crashes again and again".'
    )

"""``init`` and ``lint`` as a person sees them."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from dawsos.adapters import toolchain
from dawsos.adoption.contract import Answers, Draft
from dawsos.exporters.contract import Exporter
from dawsos.exporters.registry import EXPORTERS
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline
from dawsos.verbs import init
from projects import TinyProject, called


def test_lint_in_words_and_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = TinyProject("good", tmp_path, monkeypatch, capsys)
    said = good.dawsos("lint").out.splitlines()
    assert said == [
        "pipeline.yaml is good: 2 stages, 3 gates",
        "remark   no stage uses deploy or rollout: a ship ends after its gates, and nothing is deployed",
        "rollout: 100 % within 1.0s",
        "judge: statistical; rolls back after 5 failed checks of 1.0s at 100 % and for a first release",
    ]
    told = good.dawsos("lint", "--json").json
    assert {name: told[name] for name in told if name != "cores"} == {
        "stages": ["lint", "unit"], "gates": 3, "ladder": "100", "rollout_seconds": 1.0,
        "rollback_after": "5 failed checks of 1.0s", "changed": [],
        "remarks": ["no stage uses deploy or rollout: a ship ends after its gates, and nothing is deployed"],
    }  # fmt: skip
    assert told["cores"]


def test_init_says_what_it_found_and_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "shop.py").touch()
    for name in ("dawsos-tools.txt", "dawsos-project.txt", "dawsos-service.txt"):
        (tmp_path / name).write_text(f"ruff==0.14 --hash=sha256:{'a' * 64}\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)

    async def ensure(*_: object) -> Path:
        return tmp_path / "environment"

    monkeypatch.setattr(toolchain, "ensure", ensure)
    monkeypatch.chdir(tmp_path)
    said = called(monkeypatch, capsys, "init")
    assert (said.code, said.err) == (0, "")
    assert "written   pipeline.yaml\nnext      git add them and commit, then dawsos run\n" in said.out
    assert "packages  shop.py\n" in said.out
    assert "remark    no file test_*.py was found" in said.out
    again = called(monkeypatch, capsys, "init")
    assert (again.code, "already" in again.err) == (2, True)


def test_init_tells_what_stays_red_with_a_baseline_and_ends_as_a_red_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def adopted(root: Path, answers: Answers, say: object) -> init.Adopted:
        assert (answers.baseline, answers.needs) == (True, ("a", "b"))
        return init.Adopted(
            Draft("python", "shop", (), (), ()), ("pipeline.yaml",), 3, date(2026, 12, 31), ("unit: no data",)
        )

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(init, "init", adopted)
    said = called(monkeypatch, capsys, "init", "--baseline", "--with", "a", "--with", "b")
    assert said.code == 1
    assert "baseline  3 findings are exceptions until 2026-12-31\nred       unit: no data\n" in said.out


def test_a_flagger_manifest_is_not_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = called(monkeypatch, capsys, "lint", "--fix", "canary.yaml")
    assert (said.code, "--fix" in said.err) == (2, True)


def test_export_says_what_it_wrote_and_check_shows_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def render(pipeline: Pipeline, options: AlertsOptions) -> dict[str, str]:
        return {"limits.yml": yaml_text("alerts", {"error_rate": pipeline.slo.error_rate})}

    monkeypatch.setitem(EXPORTERS, "alerts", Exporter(AlertsOptions, render))
    good = TinyProject("good", tmp_path, monkeypatch, capsys)
    said = good.dawsos("export", "alerts")
    assert said.out.splitlines() == [
        "written  limits.yml",
        "add exports: {alerts: {}} to pipeline.yaml, and --check compares them",
    ]
    assert good.dawsos("export", "alerts", "--check").code == 0
    (good.path / "limits.yml").write_text((good.path / "limits.yml").read_text() + "more: 1\n")
    said = good.dawsos("export", "alerts", "--check")
    assert said.code == 1
    assert "differs  limits.yml" in said.out
    assert "\n-more: 1\n" in said.out
    assert good.dawsos("export", "alerts", "--check", "--json").json["current"] is False
    assert good.dawsos("export").code == 2

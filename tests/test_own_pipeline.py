"""The pipeline of this repository: each SLO number stands once, and production is never wired to a stand-in by accident."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import find_project, gate_options
from dawsos.verbs.export import export

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "pipeline.yaml").read_text()


def load(text: str = TEXT) -> Pipeline:
    return load_pipeline(text, "pipeline.yaml", gate_options())


def limit(pipeline: Pipeline, name: str) -> Any:
    """Return what the acceptance stage's gate ``name`` allows at most."""
    (gate,) = (gate for gate in pipeline.stage("uat").gates if gate.name == name)
    return gate.written_options["max"], gate.written_options["unit"]


@pytest.mark.parametrize(
    ("number", "otherwise"), [("0.5%", ["0.005"]), ("1.2s", ["1.2", "1200ms"]), ("2s", ["2.0", "2.0s", "2000ms"])]
)
def test_each_objective_stands_once(number: str, otherwise: list[str]) -> None:
    words = re.findall(r"[\w.%-]+", re.sub(r"(?m)(^|\s)#.*$", "", TEXT))
    assert words.count(number) == 1
    assert [word for word in otherwise if word in words] == []


def test_who_changes_an_objective_changes_what_depends_on_it_and_nothing_else() -> None:
    before = load()
    assert (before.policy().error_rate, before.policy().p95) == (0.005, 1.2)
    assert (limit(before, "cold p95"), limit(before, "warm p95")) == ((2.0, "s"), (1.2, "s"))
    colder = load(TEXT.replace("cold_p95: 2s", "cold_p95: 3s"))
    assert (limit(colder, "cold p95"), limit(colder, "warm p95")) == ((3.0, "s"), (1.2, "s"))
    assert colder.policy("laptop") == before.policy("laptop")
    assert colder.stage("uat").env == {"SLO_WARM_P95": "1.2", "SLO_COLD_P95": "3"}
    warmer = load(TEXT.replace("warm_p95: 1.2s", "warm_p95: 900ms"))
    assert (limit(warmer, "cold p95"), limit(warmer, "warm p95")) == ((2.0, "s"), (0.9, "s"))
    assert [warmer.policy(profile).p95 for profile in (None, "laptop", "drill")] == [0.9] * 3
    stricter = load(TEXT.replace("error_rate: 0.5%", "error_rate: 0.1%"))
    assert [stricter.policy(profile).error_rate for profile in (None, "laptop", "drill")] == [0.001] * 3


@pytest.mark.parametrize("profile", [None, "production"])
def test_production_has_no_stand_in_and_reaches_no_loopback(profile: str | None) -> None:
    production = load().environment("production", profile)
    assert production.stand_ins == ()
    assert "WEBHOOK_NETWORKS" not in {*production.env, *production.pass_env}
    assert [value for value in production.env.values() if re.search(r"127\.|localhost|::1|_PORT", value)] == []


def test_production_names_its_real_providers_by_variables_that_the_service_reads() -> None:
    production = load().environment("production")
    settings = (ROOT / "backend" / "app" / "settings.py").read_text()
    (providers,) = re.findall(r"^PROVIDERS = (\(.*\))$", settings, re.MULTILINE)
    names = [name.upper() for name in re.findall(r"\w+", providers)]
    assert {f"{name}_URL" for name in names} == production.env.keys()
    assert {f"{name}_KEY" for name in names} <= {*production.pass_env}
    others = {*production.pass_env} - {f"{name}_KEY" for name in names}
    assert [name for name in others if f'"{name}"' not in settings] == []


@pytest.mark.parametrize("profile", ["laptop", "drill"])
def test_on_one_machine_everything_outside_is_played(profile: str) -> None:
    """With every address that production has, so that none of them is asked for real."""
    pipeline = load()
    there, real = pipeline.environment("production", profile), pipeline.environment("production")
    assert (there.stand_ins, there.pass_env) == (("outside",), ())
    for name in (*real.env, "SMTP_URL"):
        assert "_PORT}" in there.env[name]
    assert there.env == pipeline.environment("staging", profile).env


def test_the_release_has_no_worker_that_plays_the_world() -> None:
    assert [worker.name for worker in load().service.workers] == ["worker"]


def test_the_files_of_other_tools_are_what_the_pipeline_gives() -> None:
    found = export(find_project(ROOT), (), check=True)
    assert [(file.path, file.state) for file in found.files if file.state != "same"] == [], "run dawsos export"
    assert found.files

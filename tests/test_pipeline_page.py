"""docs/pipeline-yaml.md has every key of the file, in the section where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from dawsos.config.load import load_pipeline
from dawsos.model.environment import EnvironmentSettings, StandIn
from dawsos.model.exports import AlertsOptions, CiEnvironment, Exports, GithubActionsOptions, GitlabCiOptions
from dawsos.model.observability import AlertServer, MetricsServer, Observability, TraceServer
from dawsos.model.pipeline import Approval, Pipeline, Profile, Signing, Slo, Stage, Step, Toolchain
from dawsos.model.policy import (
    AllowedDifference,
    Compare,
    CompareRequest,
    CrashLoop,
    LadderStep,
    Load,
    LoadRequest,
    RolloutSettings,
    WarmUp,
)
from dawsos.model.service import Build, Service, Worker
from dawsos.runs.project import gate_options

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "pipeline-yaml.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))

TEXT = """\
version: 2
name: demo
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
toolchains: {backend: {requirements: r.txt}}
service: {project: ., requirements: r.txt, command: python -m demo, images: [{name: demo, dockerfile: D, base: localhost/b}]}
stages:
  - {id: lint, steps: [{run: "true"}], gates: [exit_status]}
  - {id: canary, uses: rollout, environment: production, gates: [rollout]}
rollout: {ladder: [{weight: 100, duration: 1s}]}
"""


def keys(text: str) -> set[str]:
    """Return the words in code spans: keys stand alone, in a list, or in a mapping like ``{restarts: 3}``."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", prose))))


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("Top level", Pipeline), ("`slo`", Slo), ("`stages`", Stage), ("`stages`", Step), ("`stages`", Approval),
        ("`toolchains`", Toolchain), ("`service`", Build),
        ("`service`", Service), ("`service`", Worker), ("`environments`", EnvironmentSettings),
        ("`observability`", Observability), ("`observability`", MetricsServer), ("`observability`", TraceServer),
        ("`observability`", AlertServer), ("`stand_ins`", StandIn),
        ("`signing`", Signing), ("`rollout`", RolloutSettings), ("`rollout`", LadderStep), ("`rollout`", WarmUp),
        ("`rollout`", CrashLoop), ("`rollout`", Load), ("`rollout`", LoadRequest), ("`profiles`", Profile),
        ("`rollout.compare`", Compare), ("`rollout.compare`", CompareRequest), ("`rollout.compare`", AllowedDifference),
        ("`exports`", Exports), ("`exports`", GithubActionsOptions), ("`exports`", GitlabCiOptions), ("`exports`", CiEnvironment),
        ("`exports.alerts`", AlertsOptions),
    ],
)  # fmt: skip
def test_every_key_is_on_the_page(section: str, model: type[BaseModel]) -> None:
    assert model.model_fields.keys() - keys(SECTIONS[section]) == set()


def test_what_a_table_calls_a_key_is_one() -> None:
    tables: dict[str, type[BaseModel]] = {
        "Top level": Pipeline, "`slo`": Slo, "`toolchains`": Toolchain, "`stages`": Stage, "`service`": Service,
        "`environments`": EnvironmentSettings,
        "`observability`": Observability,
        "`stand_ins`": StandIn, "`signing`": Signing, "`rollout`": RolloutSettings,
        "`rollout.compare`": Compare, "`profiles`": Profile,
        "`exports`": Exports, "`exports.alerts`": AlertsOptions,
    }  # fmt: skip
    for section, model in tables.items():
        named = keys(" ".join(re.findall(r"^\| (`[^|]*) \|", SECTIONS[section], re.MULTILINE)))
        assert named - model.model_fields.keys() == set(), section


def test_its_examples_can_be_read() -> None:
    examples = re.findall(
        r"^```yaml\n(.*?)^```", "".join(SECTIONS[f"`{name}`"] for name in ("environments", "stand_ins")), re.M | re.S
    )
    pipeline = load_pipeline(TEXT + "".join(examples), "pipeline.yaml", gate_options())
    assert pipeline.environment("staging").stand_ins == ("outside",)
    (example,) = re.findall(r"^```yaml\n(.*?)^```", SECTIONS["`observability`"], re.M | re.S)
    watched = load_pipeline(TEXT + example, "pipeline.yaml", gate_options()).environment("production").observability
    assert set(watched.servers()) == {"prometheus", "traces", "alertmanager"}
    assert watched.within == 60.0
    assert MetricsServer.model_fields["series"].default in SECTIONS["`observability`"]

"""Pipelines for the tests of exporters, from the lines that matter."""

from __future__ import annotations

from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

_HEAD = """\
version: 2
name: shop
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
toolchains: {tools: {requirements: tools.txt}}
service: {project: ., requirements: requirements.txt, command: python -m shop}
rollout: {ladder: [{weight: 100, duration: 1s}], check_interval: 1s}
profiles: {ci: {durations: [1s]}}
"""
_ENVIRONMENTS = "environments: {staging: {replicas: 1}, production: {replicas: 1, pass_env: [API_KEY]}}"

LINT = '{id: lint, budget: 4m, steps: [{run: "true"}], gates: [exit_status]}'
BUILD = "{id: build, needs: [lint], uses: release, gates: [exit_status]}"
STAGING = "{id: staging, needs: [build], uses: deploy, environment: staging, gates: [exit_status]}"
UAT = '{id: uat, needs: [staging], environment: staging, steps: [{run: "true"}], gates: [exit_status], approval: {role: owner}}'
CANARY = "{id: canary, needs: [uat], uses: rollout, environment: production, gates: [rollout], budget: 1h}"
WHOLE = (LINT, BUILD, STAGING, UAT, CANARY)


def pipeline(*stages: str, more: str = _ENVIRONMENTS) -> Pipeline:
    """Return a pipeline of ``stages``, each a line of YAML, with ``more`` at the top of the file."""
    lines = "".join(f"  - {stage}\n" for stage in stages)
    return load_pipeline(f"{_HEAD}{more}\nstages:\n{lines}", "pipeline.yaml", gate_options())

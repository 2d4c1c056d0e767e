"""The first ``pipeline.yaml`` of a project, as text, from the draft of its kind.  Pure; ``verbs.init`` reads and writes."""

from __future__ import annotations

from dawsos.adoption.contract import Draft, Environment

# What must be there although nothing is shipped.
_NO_SERVICE = """\
# No service was found in this project.  `dawsos run` needs none; fill this in before `dawsos ship`.
service: {project: ., requirements: requirements.txt, command: python -m app}
"""
_LAPTOP = "  laptop: {durations: [6s, 6s, 6s], check_interval: 1s, no_data_deadline: 20s}\n"


def pipeline_text(draft: Draft) -> str:
    """Return the text of the pipeline: the quality stages, and what ships the service where there is one."""
    ships = bool(draft.service)
    stages = [*draft.stages, *([_shipping(draft)] if ships else [])]
    toolchains = ", ".join(_toolchain(one) for one in draft.toolchains)
    return f"""\
# Written by `dawsos init` from what it found.  docs/pipeline-yaml.md explains every word, docs/gates.md every gate.
version: 2
name: "{draft.name}"
slo: {{error_rate: 1%, warm_p95: 1s, cold_p95: 2s}}
{f"toolchains: {{{toolchains}}}" if toolchains else "# Its stages need no toolchain."}
{_service(draft) if ships else _NO_SERVICE}environments: {{staging: {{replicas: 1}}, production: {{replicas: 2}}}}
stages:
{"".join(stages)}rollout:
  ladder: [{{weight: 10, duration: 5m}}, {{weight: 50, duration: 5m}}, {{weight: 100, duration: 5m}}]
  check_interval: 1m
profiles:
{_laptop(draft) if ships else _LAPTOP}"""


def _toolchain(one: Environment) -> str:
    python = f', python: "{one.python}"' if one.python else ""
    if one.programs:
        return f"{one.name}: {{programs: [{', '.join(one.programs)}]}}"
    return f"{one.name}: {{requirements: {one.requirements}{python}}}"


def _service(draft: Draft) -> str:
    return "service:\n" + "".join(f"  {line}\n" for line in draft.service)


def _shipping(draft: Draft) -> str:
    return f"""\
  - {{id: build, needs: [{", ".join(draft.ids)}], uses: release{draft.builds}, inputs: ["**"], gates: [exit_status]}}
  - id: staging
    needs: [build]
    uses: deploy
    environment: staging
    gates: [exit_status, {draft.health_gate}]
    approval: {{role: owner}}
  - {{id: canary, needs: [staging], uses: rollout, environment: production, gates: [rollout]}}

"""


def _laptop(draft: Draft) -> str:
    return f"""\
  # Nobody uses the service on a laptop, so requests are sent for the canary to be judged by.
  laptop:
    durations: [2s, 2s, 2s]
    check_interval: 1s
    min_requests: 1
    load: {{rate: 20, requests: [{{path: {draft.page}}}]}}
"""

"""Every step of the stage exited 0."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dawsos.gates.evidence import Malformed, get, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

EVIDENCE = "steps.json"
_FINDING = re.compile(r"^\S+:\d+(:\d+)?:? |^L: +\d+|^FAILED |^ERROR |^Would reformat")
_SHOWN = 12


class Options(Strict):
    """All steps must exit 0.  No options."""


def files(options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    steps = parse_json(EVIDENCE, one(evidence, EVIDENCE), list)
    if not steps or not all(isinstance(step, dict) for step in steps):
        raise Malformed(f"{EVIDENCE} lists no step")
    bad = [step for step in steps if get(EVIDENCE, step, "classification") != "ok"]
    findings: list[str] = []
    for step in bad:
        tail = [str(line) for line in step.get("tail", ())]
        telling = [line for line in tail if _FINDING.match(line)] or tail[-3:]
        findings += [f"{step.get('name')}: {line}" for line in telling[:_SHOWN]]
    first = (
        f"{bad[0].get('name')}: {bad[0]['classification']}, exit code {bad[0].get('exit_code')}"
        if bad
        else "all steps exited 0"
    )
    measured = f"{len(steps) - len(bad)} of {len(steps)} steps"
    return verdict(
        (name, "exit_status"), not bad, measured, "all exit 0", message=first, evidence=[EVIDENCE], findings=findings
    )

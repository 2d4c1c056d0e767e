"""Every step of the stage exited 0."""

from __future__ import annotations

import re
from typing import Any

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, Missing, get, one, parse_json, rows
from dawsos.model.pipeline import GateOptions

EVIDENCE = "steps.json"
# file:line of ruff, mypy, bandit; L: of sqlfluff; pytest's summary; what ruff format names.
_FINDING = re.compile(r"^\S+:\d+(:\d+)?:? |^L: +\d+|^FAILED |^ERROR |^Would reformat")
_SHOWN = 12


class Options(GateOptions):
    """All steps must exit 0.  No options."""


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(_options: Options, evidence: Evidence) -> Measurement:
    steps = rows(EVIDENCE, parse_json(EVIDENCE, one(evidence, EVIDENCE), list), "it")
    if not steps:
        raise Missing(f"{EVIDENCE} lists no step: none ran")
    bad = [step for step in steps if not _exited_0(step)]
    judged = sum(step["classification"] == "judged" for step in steps)
    return Measurement(
        "fail" if bad else "pass",
        f"{len(steps) - len(bad)} of {len(steps)} steps exited 0" + (f" or as expected ({judged})" if judged else ""),
        "all exit 0",
        message=_how(bad[0]) if bad else "all steps exited 0",
        evidence=(EVIDENCE,),
        findings=tuple(finding for step in bad for finding in _findings(step)),
    )


def _exited_0(step: dict[str, Any]) -> bool:
    code = get(EVIDENCE, step, "exit_code")
    # A step that never started has none.  ``false`` is no exit code, though Python would take it for 0.
    if code is not None and type(code) is not int:
        raise Malformed(f"{EVIDENCE}: exit_code of {step.get('name')} is {code!r}, not a number")
    classification = get(EVIDENCE, step, "classification")
    # A step may name exit codes that only say that it found something; then another gate judges what it found.
    return bool((classification == "ok" and code == 0) or (classification == "judged" and code is not None))


def _how(step: dict[str, Any]) -> str:
    return f"{step.get('name')}: {step['classification']}, exit code {step['exit_code']}"


def _findings(step: dict[str, Any]) -> list[str]:
    """Return which step ended how, and its lines that name a place; its last lines when none does."""
    tail = step.get("tail") or []
    if not isinstance(tail, list):
        raise Malformed(f"{EVIDENCE}: tail is not a list of lines")
    lines = [str(line) for line in tail]
    telling = [line for line in lines if _FINDING.match(line)] or lines[-3:]
    return [_how(step), *(f"{step.get('name')}: {line}" for line in telling[:_SHOWN])]


GATE = GateKind(Options, files, evaluate)

"""Every step of the stage exited 0."""

from __future__ import annotations

import re
from typing import get_args

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, Missing, get, get_word, parse_rows, required_file, texts
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions
from dawsos.model.process import StepClass

EVIDENCE = "steps.json"
# file:line of ruff, mypy, bandit; L: of sqlfluff; pytest's summary; what ruff format names.
_FINDING = re.compile(r"^\S+:\d+(:\d+)?:? |^L: +\d+|^FAILED |^ERROR |^Would reformat")
_SHOWN = 12
_CLASSES: tuple[StepClass, ...] = get_args(StepClass)


class Options(GateOptions):
    """All steps must exit 0.  No options."""


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(_options: Options, evidence: Evidence) -> Measurement:
    steps = parse_rows(EVIDENCE, required_file(evidence, EVIDENCE))
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


def _exited_0(step: JsonObject) -> bool:
    code = get(EVIDENCE, step, "exit_code")
    # A step that never started has none.  ``false`` is no exit code, though Python would take it for 0.
    if code is not None and type(code) is not int:
        raise Malformed(f"{EVIDENCE}: exit_code of {step.get('name')} is {code!r}, not a number")
    classification = get_word(EVIDENCE, step, "classification", _CLASSES)
    # A step may name exit codes that only say that it found something; then another gate judges what it found.
    return (classification == "ok" and code == 0) or (classification == "judged" and code is not None)


def _how(step: JsonObject) -> str:
    return f"{step.get('name')}: {step['classification']}, exit code {step['exit_code']}"


def _findings(step: JsonObject) -> list[str]:
    """Return which step ended how, and its lines that name a place; its last lines when none does."""
    lines = texts(f"{EVIDENCE}: tail of {step.get('name')}", step.get("tail") or [])
    telling = [line for line in lines if _FINDING.match(line)] or lines[-3:]
    return [_how(step), *(f"{step.get('name')}: {line}" for line in telling[:_SHOWN])]


GATE = GateKind(Options, files, evaluate)

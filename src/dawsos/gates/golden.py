"""What the code computes is, byte for byte, what somebody approved; a difference is shown structurally, not as two files."""

from __future__ import annotations

from typing import Any

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, Missing, get, one, parse_json
from dawsos.model.pipeline import GateOptions

_RESULTS = ("same", "differs", "missing", "unused", "updated")


class Options(GateOptions):
    """``file`` holds {"goldens": {name: {"result": same | differs | missing | unused | updated, "diff": [lines]}}}."""

    file: EvidencePath = "golden.json"


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """``updated`` is red as well: a run that rewrites what it should compare with has compared nothing."""
    file = options.file
    goldens = get(file, parse_json(file, one(evidence, file)), "goldens")
    if not isinstance(goldens, dict):
        raise Malformed(f"{file}: goldens is not a mapping")
    if not goldens:
        raise Missing(f"{file} compares nothing")
    results = {str(golden): _result(file, golden, facts) for golden, facts in goldens.items()}
    bad = [golden for golden, result in results.items() if result != "same"]
    findings = [line for golden in bad for line in _lines(file, golden, results[golden], goldens[golden])]
    return Measurement(
        "fail" if bad else "pass",
        f"{len(results) - len(bad)} of {len(results)} byte for byte",
        "all byte for byte",
        message=findings[0] if findings else "every golden is as approved",
        evidence=(file,),
        findings=tuple(findings),
    )


def _result(file: str, golden: object, facts: object) -> str:
    result = get(file, facts, "result")
    if result not in _RESULTS:
        raise Malformed(f"{file}: the result of {golden} is {result!r}, not one of {', '.join(_RESULTS)}")
    return str(result)


def _lines(file: str, golden: str, result: str, facts: dict[str, Any]) -> list[str]:
    diff = facts.get("diff") or []
    if not isinstance(diff, list):
        raise Malformed(f"{file}: the diff of {golden} is not a list of lines")
    words = {
        "differs": "differs in white space or order only",
        "missing": "has no approved file",
        "unused": "no test compares it",
        "updated": "was rewritten in this run",
    }
    return [f"{golden}: {line}" for line in diff] or [f"{golden}: {words[result]}"]


GATE = GateKind(Options, files, evaluate)

"""The results are byte for byte the approved ones; a difference is shown as a structural diff."""

from __future__ import annotations

from typing import Literal, get_args

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, get, get_word, mapping, parse_object, required_file, texts
from dawsos.model.json import Json
from dawsos.model.pipeline import GateOptions

_Result = Literal["same", "differs", "missing", "unused", "updated"]
_RESULTS: tuple[_Result, ...] = get_args(_Result)
_WITHOUT_DIFF: dict[_Result, str] = {
    "differs": "differs in white space or order only",
    "missing": "has no approved file",
    "unused": "no test compares it",
    "updated": "was rewritten in this run",
}


class Options(GateOptions):
    """``file`` holds {"goldens": {name: {"result": same | differs | missing | unused | updated, "diff": [lines]}}}."""

    file: EvidencePath = "golden.json"


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """``updated`` fails as well: a run that rewrites the approved file has compared nothing."""
    file = options.file
    goldens = mapping(f"{file}: goldens", get(file, parse_object(file, required_file(evidence, file)), "goldens"))
    if not goldens:
        raise Missing(f"{file} compares nothing: no golden test ran")
    results = {golden: get_word(f"{file}: {golden}", facts, "result", _RESULTS) for golden, facts in goldens.items()}
    bad = [golden for golden, result in results.items() if result != "same"]
    findings = [
        line for golden in bad for line in _lines(f"{file}: {golden}", golden, results[golden], goldens[golden])
    ]
    return Measurement(
        "fail" if bad else "pass",
        f"{len(results) - len(bad)} of {len(results)} byte for byte",
        "all byte for byte",
        message=findings[0] if findings else "every golden is as approved",
        evidence=(file,),
        findings=tuple(findings),
    )


def _lines(place: str, golden: str, result: _Result, facts: Json) -> list[str]:
    diff = texts(f"{place}: diff", mapping(place, facts).get("diff") or [])
    return [f"{golden}: {line}" for line in diff or [_WITHOUT_DIFF[result]]]


GATE = GateKind(Options, files, evaluate)

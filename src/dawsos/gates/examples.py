"""Every property was tried on enough examples, by Hypothesis' own count."""

from __future__ import annotations

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, get, get_number, mapping, parse_object, required_file
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """``file`` holds {"tests": {id: {"examples": n}}, "seed": n}; each test needs ``min_examples``."""

    file: EvidencePath = "examples.json"
    min_examples: int = Field(default=1000, ge=1)


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    file = options.file
    document = parse_object(file, required_file(evidence, file))
    tests = mapping(f"{file}: tests", get(file, document, "tests"))
    if not tests:
        raise Missing(f"{file} counts no test: no property ran")
    counted = {test: get_number(f"{file}: {test}", facts, "examples") for test, facts in tests.items()}
    short = {test: count for test, count in counted.items() if count < options.min_examples}
    least = min(counted, key=counted.__getitem__)
    seed = document.get("seed", "unknown")
    return Measurement(
        "fail" if short else "pass",
        f"{len(counted)} properties, at least {counted[least]:.0f} examples, seed {seed}",
        f"at least {options.min_examples} each",
        message=f"{least}: {counted[least]:.0f} examples" if short else "every property was tried often enough",
        evidence=(file,),
        findings=tuple(f"{test}: {count:.0f} examples" for test, count in sorted(short.items())),
        # Without its seed nobody can repeat what was tried.
        unchecked=seed == "unknown",
    )


GATE = GateKind(Options, files, evaluate)

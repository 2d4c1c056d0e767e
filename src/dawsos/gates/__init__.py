"""Exit criteria: one module a kind, each of them pure, and ``GATES``, the dict of all kinds.

``contract.GateKind`` is what a module offers.  Evidence that is missing is ``no_data``, evidence that cannot be read is
``error``; neither passes.
"""

from __future__ import annotations

from typing import Any

from dawsos.gates import (
    coverage,
    examples,
    exit_status,
    findings,
    flaky,
    golden,
    health,
    image,
    junit,
    licences,
    pass_rate,
    rollout,
    sbom,
    scan,
    secrets,
    size,
    threshold,
    vulnerabilities,
)
from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, Missing
from dawsos.model.pipeline import Gate
from dawsos.model.verdicts import GateKindName, GateVerdict

# Of a kind's own options only the kind itself knows the type; ``_kind_of`` checks it where a gate meets its kind.
GATES: dict[GateKindName, GateKind[Any]] = {
    "coverage": coverage.GATE,
    "examples": examples.GATE,
    "exit_status": exit_status.GATE,
    "findings": findings.GATE,
    "flaky": flaky.GATE,
    "golden": golden.GATE,
    "health": health.GATE,
    "image": image.GATE,
    "junit": junit.GATE,
    "licences": licences.GATE,
    "pass_rate": pass_rate.GATE,
    "rollout": rollout.GATE,
    "sbom": sbom.GATE,
    "scan": scan.GATE,
    "secrets": secrets.GATE,
    "size": size.GATE,
    "threshold": threshold.GATE,
    "vulnerabilities": vulnerabilities.GATE,
}

# What reading a foreign document of unforeseen shape raises.  A gate names the usual cases itself; this is the net below,
# because one odd report must turn one gate red and not end the run.
_UNFORESEEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def files_of(gate: Gate) -> tuple[str, ...]:
    """Return the globs of the evidence that ``gate`` reads, relative to the stage's artifact folder."""
    return _kind_of(gate).files(gate.options)


def evaluate_gate(gate: Gate, evidence: Evidence) -> GateVerdict:
    """Return the verdict of ``gate`` on ``evidence``; never raises for what the evidence holds."""
    kind = _kind_of(gate)
    wanted, given = ", ".join(kind.files(gate.options)), tuple(evidence)
    try:
        found = kind.evaluate(gate.options, evidence)
    except Missing as missing:
        found = Measurement("no_data", "nothing", wanted, str(missing), given)
    except Malformed as malformed:
        found = Measurement("error", "unreadable", f"a readable {wanted}", str(malformed), given)
    except _UNFORESEEN as error:
        reason = f"{', '.join(evidence)}: {type(error).__name__}: {error}"
        found = Measurement("error", "unreadable", f"a readable {wanted}", reason, given)
    return GateVerdict(
        gate=gate.name,
        kind=gate.kind,
        result=found.result,
        measured=found.measured,
        limit=found.limit,
        message=found.message,
        evidence=found.evidence,
        findings=found.findings,
        valid_until=found.valid_until,
        places=found.places,
    )


def _kind_of(gate: Gate) -> GateKind[Any]:
    kind = GATES[gate.kind]
    if not isinstance(gate.options, kind.options):
        model = type(gate.options).__qualname__
        raise TypeError(f"gate {gate.name!r}: {model} is not the options model of the kind {gate.kind!r}")
    return kind

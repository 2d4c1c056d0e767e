"""Exit criteria.  One module a kind, each with the same three names, pure: evidence in, verdict out.

``Options`` is the model of its options, ``files(options)`` the globs of the evidence it reads, ``evaluate(name,
options, evidence)`` the verdict.  Evidence that is missing is ``no_data``, evidence that cannot be read is ``error``;
neither passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

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
from dawsos.gates.documents import Malformed, Missing
from dawsos.model.pipeline import Gate
from dawsos.model.verdicts import GateVerdict

GATES: dict[str, ModuleType] = {
    "coverage": coverage,
    "examples": examples,
    "exit_status": exit_status,
    "findings": findings,
    "flaky": flaky,
    "golden": golden,
    "health": health,
    "image": image,
    "junit": junit,
    "licences": licences,
    "pass_rate": pass_rate,
    "rollout": rollout,
    "sbom": sbom,
    "scan": scan,
    "secrets": secrets,
    "size": size,
    "threshold": threshold,
    "vulnerabilities": vulnerabilities,
}

# What reading a foreign document of unforeseen shape raises.  A gate names the usual cases itself; this is the net below,
# because one odd report must turn one gate red and not end the run.
_UNFORESEEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def evaluate_gate(gate: Gate, evidence: Mapping[str, bytes]) -> GateVerdict:
    """Return the verdict of ``gate`` on ``evidence`` (path -> content); never raises for what the evidence holds."""
    module = GATES[gate.kind]
    options = module.Options.model_validate(gate.options)
    wanted = ", ".join(module.files(options))
    try:
        verdict: GateVerdict = module.evaluate(gate.name, options, evidence)
    except Missing as missing:
        return GateVerdict(gate.name, gate.kind, "no_data", "nothing", wanted, str(missing), tuple(evidence))
    except Malformed as malformed:
        reason = str(malformed)
    except _UNFORESEEN as error:
        reason = f"{', '.join(evidence)}: {type(error).__name__}: {error}"
    else:
        return verdict
    return GateVerdict(gate.name, gate.kind, "error", "unreadable", f"a readable {wanted}", reason, tuple(evidence))

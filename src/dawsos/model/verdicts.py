"""The verdict of a gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from dawsos.model.findings import Finding

GateResult = Literal["pass", "fail", "no_data", "error"]
# A new gate kind is one module ``gates/NAME.py`` that defines ``GATE``, and its NAME here.  ``gates.GATES`` loads kinds by name.
GateKindName = Literal[
    "compare", "coverage", "examples", "exit_status", "findings", "flaky", "golden", "health", "image", "junit", "licences",
    "pass_rate", "rollout", "sbom", "scan", "secrets", "size", "threshold", "vulnerabilities",
]  # fmt: skip


@dataclass(frozen=True)
class GateVerdict:
    """The verdict of one gate: what was measured, the limit, the evidence files that were read, and the findings, a line each.

    ``no_data`` (the evidence is missing) and ``error`` (it cannot be read) block as ``fail`` does.  ``valid_until`` (seconds
    since the epoch) is set by a gate that passed on a waiver or on dated data: production refuses the release after it.
    ``places`` are those of the findings that lie in a file, for SARIF and for annotations on a CI service.  ``unchecked`` says
    whether a part of what the gate is for was not checked although it passed; None: an older version did not say.
    """

    gate: str
    kind: GateKindName
    result: GateResult
    measured: str
    limit: str
    message: str
    evidence: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    valid_until: float | None = None
    places: tuple[Finding, ...] = ()
    unchecked: bool | None = None

    @property
    def passed(self) -> bool:
        return self.result == "pass"

    def body(self) -> dict[str, Any]:
        """Return the verdict as plain values, as the journal, the cache and the statements keep it.

        ``unchecked`` is left out where it is not known: what an older version signed must read the same.
        """
        values = asdict(self)
        if self.unchecked is None:
            del values["unchecked"]
        return values

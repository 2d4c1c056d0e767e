"""Every resolved dependency was audited, and none has a known vulnerability.

pip-audit prints "No known vulnerabilities found" and exits 0 after having skipped every dependency, when it can reach the
package index but no advisory data.  So the report is compared with the lock: audited must equal resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from dawsos.gates.evidence import Malformed, Missing, get, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)(.*)$", re.MULTILINE)


class Options(Strict):
    """pip-audit's JSON ``report`` against the locked ``requirements``; ``not_audited: warn`` passes with a warning."""

    report: str = "audit.json"
    requirements: str = "requirements.txt"
    not_audited: Literal["block", "warn"] = "block"


def files(options: Options) -> tuple[str, ...]:
    return (options.report, options.requirements)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    locked = one(evidence, options.requirements).decode(errors="replace")
    # A pin with a marker is for another platform or Python: it may be absent from the report, not from the count of others.
    resolved = {_canonical(pin[1]) for pin in _PIN.finditer(locked) if ";" not in pin[3]}
    if not resolved:
        raise Missing(f"{options.requirements} pins nothing")
    report = parse_json(options.report, one(evidence, options.report))
    dependencies = get(options.report, report, "dependencies")
    if not isinstance(dependencies, list):
        raise Malformed(f"{options.report}: dependencies is not a list")
    audited = {_canonical(str(d.get("name"))): d for d in dependencies if isinstance(d.get("vulns"), list)}
    skipped = {_canonical(str(d.get("name"))): str(d["skip_reason"]) for d in dependencies if d.get("skip_reason")}
    vulnerable = [_finding(d) for d in audited.values() if d["vulns"]]
    missing = sorted(resolved - audited.keys())
    why = next(iter(skipped.values()), "not in the report")
    measured = f"{len(vulnerable)} vulnerable, {len(resolved) - len(missing)} of {len(resolved)} audited"
    limit = f"0 vulnerable, {len(resolved)} of {len(resolved)} audited"
    findings = [
        *vulnerable,
        *(f"NOT AUDITED {package}: {skipped.get(package, 'not in the report')}" for package in missing),
    ]
    evidence_files = [options.report, options.requirements]
    if vulnerable:
        return verdict(
            (name, "audit"), False, measured, limit, message=vulnerable[0], evidence=evidence_files, findings=findings
        )
    if missing:
        message = f"NOT AUDITED: {len(missing)} of {len(resolved)} dependencies ({why})"
        if options.not_audited == "block":
            return GateVerdict(
                name, "audit", "no_data", measured, limit, message, tuple(evidence_files), tuple(findings)
            )
        return verdict(
            (name, "audit"),
            True,
            measured,
            limit,
            message=f"warning: {message}",
            evidence=evidence_files,
            findings=findings,
        )
    return verdict((name, "audit"), True, measured, limit, message="audited, nothing known", evidence=evidence_files)


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _finding(dependency: Mapping[str, Any]) -> str:
    ids = ", ".join(str(v.get("id")) for v in dependency["vulns"])
    return f"{dependency.get('name')} {dependency.get('version')}: {ids}"

"""Every resolved dependency was audited, and none has a known vulnerability.

pip-audit prints "No known vulnerabilities found" and exits 0 after having skipped every dependency, when it can reach
the package index but no advisory data.  So the report is compared with the lock: audited must equal resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dawsos.gates.evidence import (
    EvidencePath,
    Malformed,
    Missing,
    canonical,
    get,
    one,
    parse_json,
    rows,
    text,
    verdict,
)
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*(?P<version>[^ ;,]+)\s*(?P<marker>;.*)?")


class Options(Strict):
    """pip-audit's JSON ``report`` against the locked ``requirements``; ``not_audited: warn`` passes with a warning."""

    report: EvidencePath = "audit.json"
    requirements: EvidencePath = "requirements.txt"
    not_audited: Literal["block", "warn"] = "block"


@dataclass(frozen=True)
class _Lock:
    """``pins`` must be audited; ``conditional`` ones have a marker, so they may be absent here."""

    pins: dict[str, str]
    conditional: frozenset[str]


def files(options: Options) -> tuple[str, ...]:
    return (options.report, options.requirements)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    """A vulnerability blocks whatever else is missing; what was not audited never reads as clean."""
    lock = _lock(options.requirements, text(options.requirements, one(evidence, options.requirements)))
    report = parse_json(options.report, one(evidence, options.report))
    dependencies = rows(options.report, get(options.report, report, "dependencies"), "dependencies")
    vulnerable = [_finding(found) for found in dependencies if _vulnerabilities(options.report, found)]
    unseen, extra = _compare(options.report, lock, dependencies)
    findings = [*vulnerable, *unseen.values(), *extra]
    count = len(lock.pins)
    # An absent conditional pin is no gap, a skipped one is: it counts, without making the share negative.
    audited = count - len(unseen.keys() & lock.pins.keys())
    measured = f"{len(vulnerable)} vulnerable, {audited} of {count} audited"
    limit = f"0 vulnerable, {count} of {count} audited"
    files_read = (options.report, options.requirements)
    if not vulnerable and not unseen and not extra:
        return verdict(
            (name, "audit"), True, measured, limit, message="all audited, nothing known", evidence=files_read
        )
    gap = _gap(unseen, extra, max(count, len(unseen)))
    if vulnerable or options.not_audited == "warn":
        message = vulnerable[0] if vulnerable else f"warning: {gap}"
        return verdict(
            (name, "audit"), not vulnerable, measured, limit, message=message, evidence=files_read, findings=findings
        )
    return GateVerdict(name, "audit", "no_data", measured, limit, gap, files_read, tuple(findings))


def _lock(name: str, content: str) -> _Lock:
    """Read a requirements file in which every line is a pin; raises Missing for none and Malformed for anything looser."""
    pins, conditional = {}, set()
    for line in content.replace("\\\n", " ").splitlines():
        requirement = re.sub(r"(^|\s)#.*", "", line)
        requirement = re.sub(r"\s--hash=\S+", "", requirement).strip()
        if not requirement or re.match(r"--(?!requirement|editable)|-i\s", requirement):
            continue
        pin = _PIN.fullmatch(requirement)
        if pin is None:
            raise Malformed(f"{name}: {requirement!r} is not a pin (name==version), so what is installed is not known")
        if pin["marker"]:
            conditional.add(canonical(pin["name"]))
        else:
            pins[canonical(pin["name"])] = pin["version"]
    if not pins:
        raise Missing(f"{name} pins nothing")
    return _Lock(pins, frozenset(conditional - pins.keys()))


def _vulnerabilities(name: str, dependency: Mapping[str, Any]) -> list[Any]:
    if dependency.get("skip_reason"):
        return []
    found = get(name, dependency, "vulns")
    if not isinstance(found, list):
        raise Malformed(f"{name}: the vulns of {dependency.get('name')} are not a list")
    return found


def _compare(name: str, lock: _Lock, dependencies: list[dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Return package -> why it counts as not audited, and a line for each audited package that the lock lacks."""
    audited: dict[str, str] = {}
    unseen: dict[str, str] = {}
    for dependency in dependencies:
        package = canonical(str(get(name, dependency, "name")))
        if dependency.get("skip_reason"):
            unseen[package] = f"NOT AUDITED {package}: {dependency['skip_reason']}"
        else:
            audited[package] = str(dependency.get("version"))
    for package, version in lock.pins.items():
        if package in unseen:
            continue
        if package not in audited:
            unseen[package] = f"NOT AUDITED {package}: not in the report"
        elif audited[package] != version:
            unseen[package] = f"NOT AUDITED {package}: locked {version}, audited {audited[package]}"
    strangers = sorted(audited.keys() - lock.pins.keys() - lock.conditional)
    return unseen, [f"NOT IN THE LOCK {package} {audited[package]}" for package in strangers]


def _gap(unseen: Mapping[str, str], extra: list[str], count: int) -> str:
    if not unseen:
        return f"the report is not of this lock: {extra[0]}" if extra else ""
    return f"NOT AUDITED {len(unseen)} of {count}: {next(iter(unseen.values())).partition(': ')[2]}"


def _finding(dependency: Mapping[str, Any]) -> str:
    known = [vulnerability if isinstance(vulnerability, dict) else {} for vulnerability in dependency["vulns"]]
    fixes = sorted({str(version) for v in known for version in v.get("fix_versions") or ()})
    ids = ", ".join(str(v.get("id", "unnamed")) for v in known)
    return f"{dependency.get('name')} {dependency.get('version')}: {ids}" + (
        f"; fixed in {', '.join(fixes)}" if fixes else ""
    )

"""Vulnerability reports of several tools, read into one model: what was audited, what was not and why, what was found.

pip-audit prints "No known vulnerabilities found" and exits 0 after having skipped every dependency; npm audit answers with
an error object; Trivy lists packages only when told to; Grype has no word on what it looked at, only on its database.  So
each reader says first what its tool audited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dawsos.gates.documents import Malformed, get, parse_json, rows
from dawsos.gates.readers.resolved import Resolved
from dawsos.model.names import canonical_package

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
UNKNOWN = "UNKNOWN"
_SYNONYMS = {"MODERATE": "MEDIUM", "NEGLIGIBLE": "LOW", "INFO": "LOW"}


@dataclass(frozen=True)
class Vulnerability:
    """One known vulnerability of one resolved package; ``severity`` is UNKNOWN where the source does not rate it."""

    package: str
    version: str
    id: str
    severity: str = UNKNOWN
    aliases: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        rating = "" if self.severity == UNKNOWN else f" ({self.severity})"
        fix = f"; fixed in {', '.join(self.fixed)}" if self.fixed else ""
        return f"{self.package} {self.version}: {self.id}{rating}{fix}"


@dataclass(frozen=True)
class Audit:
    """What one tool says.  ``audited`` and ``skipped`` (with the reason) are by package; ``data_at`` is the state of its data."""

    source: str
    audited: Mapping[str, str]
    vulnerabilities: tuple[Vulnerability, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    data_at: float | None = None


def read_audit(source: str, name: str, content: bytes, resolved: Resolved) -> Audit:
    """Return what the report of ``source`` says of ``resolved``; raises Malformed."""
    return _READERS[source](name, parse_json(name, content), resolved)


def _nothing(source: str, resolved: Resolved, reason: str) -> Audit:
    return Audit(source, {}, skipped=dict.fromkeys(resolved.pins, reason))


def _pip_audit(name: str, report: dict[str, Any], _resolved: Resolved) -> Audit:
    audited, skipped, found = {}, {}, []
    for row in rows(name, get(name, report, "dependencies"), "dependencies"):
        package = canonical_package(str(get(name, row, "name")))
        if row.get("skip_reason"):
            skipped[package] = str(row["skip_reason"])
            continue
        audited[package] = str(get(name, row, "version"))
        for known in _mappings(name, get(name, row, "vulns"), f"the vulns of {package}"):
            fixed = tuple(sorted(str(version) for version in known.get("fix_versions") or ()))
            aliases = tuple(str(alias) for alias in known.get("aliases") or ())
            found.append(
                Vulnerability(package, audited[package], str(known.get("id", "unnamed")), UNKNOWN, aliases, fixed)
            )
    return Audit("pip-audit", audited, tuple(found), skipped)


def _npm_audit(name: str, report: dict[str, Any], resolved: Resolved) -> Audit:
    if "vulnerabilities" not in report:
        reason = str(report.get("message") or (report.get("error") or {}).get("summary") or "no answer").partition(
            " - "
        )[0]
        return _nothing("npm-audit", resolved, f"the registry's audit failed: {reason}")
    counts = get(name, get(name, report, "metadata"), "dependencies")
    total = get(name, counts, "total") if isinstance(counts, dict) else counts
    if type(total) is not int:
        raise Malformed(f"{name}: the number of dependencies is {total!r}")
    everything = len(resolved.pins) + len(resolved.conditional) + resolved.further
    if not len(resolved.pins) <= total <= everything:
        return _nothing("npm-audit", resolved, f"it audited {total} packages, the lock has {everything}")
    found = []
    for package, facts in _mapping(name, report["vulnerabilities"], "vulnerabilities").items():
        causes = get(name, facts, "via")
        if not isinstance(causes, list):
            raise Malformed(f"{name}: the via of {package} is not a list")
        for via in causes:
            # A text names another vulnerable package, which has an entry of its own.
            if isinstance(via, dict):
                identity = str(via.get("url") or via.get("source") or "unnamed").rpartition("/")[2]
                rating = _severity(via.get("severity"))
                known = canonical_package(package)
                found.append(Vulnerability(known, resolved.pins.get(known, "?"), identity, rating))
    return Audit("npm-audit", resolved.pins, tuple(found))


def _trivy(name: str, report: dict[str, Any], resolved: Resolved) -> Audit:
    audited: dict[str, str] = {}
    found = []
    for result in rows(name, report.get("Results") or [], "Results"):
        for row in rows(name, result.get("Packages") or [], "Packages"):
            audited[canonical_package(str(get(name, row, "Name")))] = str(row.get("Version", ""))
        for row in rows(name, result.get("Vulnerabilities") or [], "Vulnerabilities"):
            package, version = canonical_package(str(get(name, row, "PkgName"))), str(row.get("InstalledVersion", ""))
            fixed = tuple(part.strip() for part in str(row.get("FixedVersion") or "").split(",") if part.strip())
            found.append(
                Vulnerability(
                    package, version, str(get(name, row, "VulnerabilityID")), _severity(row.get("Severity")), (), fixed
                )
            )
    if not audited:
        skipped = _nothing("trivy", resolved, "trivy lists no package; run it with --list-all-pkgs").skipped
        return Audit("trivy", {}, tuple(found), skipped)
    return Audit("trivy", audited, tuple(found))


def _grype(name: str, report: dict[str, Any], resolved: Resolved) -> Audit:
    database = _mapping(name, get(name, report, "descriptor"), "descriptor").get("db") or {}
    status = database.get("status") or database if isinstance(database, dict) else {}
    found = []
    for match in rows(name, get(name, report, "matches"), "matches"):
        known, artifact = get(name, match, "vulnerability"), get(name, match, "artifact")
        fix = known.get("fix") or {}
        found.append(
            Vulnerability(
                canonical_package(str(get(name, artifact, "name"))), str(artifact.get("version", "")), str(get(name, known, "id")),
                _severity(known.get("severity")), (), tuple(str(version) for version in fix.get("versions") or ()),
            )
        )  # fmt: skip
    built = status.get("built") if isinstance(status, dict) else None
    if not built or status.get("valid") is False:
        nothing = _nothing("grype", resolved, f"grype had no valid database: {status.get('error') or 'none named'}")
        return Audit("grype", {}, tuple(found), nothing.skipped)
    return Audit("grype", resolved.pins, tuple(found), data_at=_time(name, built))


def _osv(name: str, report: dict[str, Any], _resolved: Resolved) -> Audit:
    """What ``dawsos scan advisories`` wrote after comparing the lock with an OSV export."""
    audited = {
        canonical_package(str(package)): str(version)
        for package, version in _mapping(name, get(name, report, "audited"), "audited").items()
    }
    found = []
    for row in rows(name, get(name, report, "vulnerabilities"), "vulnerabilities"):
        found.append(
            Vulnerability(
                canonical_package(str(get(name, row, "package"))), str(get(name, row, "version")), str(get(name, row, "id")),
                _severity(row.get("severity")), tuple(map(str, row.get("aliases") or ())), tuple(map(str, row.get("fixed") or ())),
            )
        )  # fmt: skip
    state = get(name, _mapping(name, get(name, report, "data"), "data"), "modified")
    return Audit("osv", audited, tuple(found), data_at=_time(name, state))


_READERS: dict[str, Callable[[str, dict[str, Any], Resolved], Audit]] = {
    "grype": _grype,
    "npm-audit": _npm_audit,
    "osv": _osv,
    "pip-audit": _pip_audit,
    "trivy": _trivy,
}


def _severity(value: object) -> str:
    """Return the rating on one scale; what is on none is UNKNOWN, which blocks."""
    word = str(value or "").upper()
    word = _SYNONYMS.get(word, word)
    return word if word in SEVERITIES else UNKNOWN


def _time(name: str, value: object) -> float:
    try:
        at = datetime.fromisoformat(str(value))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except ValueError as error:
        raise Malformed(f"{name}: {value!r} is not a time") from error


def _mappings(name: str, value: object, what: str) -> list[dict[str, Any]]:
    """Return a list of mappings; an entry that is none is kept as one without a name, so that it still counts."""
    if not isinstance(value, list):
        raise Malformed(f"{name}: {what} are not a list")
    return [item if isinstance(item, dict) else {} for item in value]


def _mapping(name: str, value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{name}: {what} is not a mapping")
    return value

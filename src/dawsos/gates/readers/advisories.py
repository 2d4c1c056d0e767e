"""Vulnerability reports of several tools, read into one model: what was audited, what was not and why, what was found.

Each reader first establishes what its tool audited, because the tools do not say it alike: pip-audit prints "No known
vulnerabilities found" and exits 0 after it skipped every dependency; npm audit answers with an error object; Trivy lists packages
only with --list-all-pkgs; Grype reports the state of its database, not the packages that it looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from dawsos.gates.documents import Malformed, get, get_text, mapping, optional_rows, parse_object, rows, texts
from dawsos.gates.readers.resolved import Resolved
from dawsos.model.json import Json, JsonObject
from dawsos.model.names import canonical_package

Severity = Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
Source = Literal["grype", "npm-audit", "osv", "pip-audit", "trivy"]
# From the lowest to the highest; a rating counts more than none.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
UNKNOWN: Severity = "UNKNOWN"
_SYNONYMS: dict[str, Severity] = {"MODERATE": "MEDIUM", "NEGLIGIBLE": "LOW", "INFO": "LOW"}


@dataclass(frozen=True)
class Vulnerability:
    """One known vulnerability of one package; ``severity`` is UNKNOWN where the source does not rate it."""

    package: str
    version: str
    id: str
    severity: Severity = UNKNOWN
    aliases: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The id and the aliases: a waiver may name any of them."""
        return frozenset((self.id, *self.aliases))

    def __str__(self) -> str:
        rating = "" if self.severity == UNKNOWN else f" ({self.severity})"
        fix = f"; fixed in {', '.join(self.fixed)}" if self.fixed else ""
        return f"{self.package} {self.version}: {self.id}{rating}{fix}"


@dataclass(frozen=True)
class Audit:
    """The report of one tool: package -> version in ``audited``, package -> reason in ``skipped``.

    ``data_at`` is the time of its advisory data in seconds since the epoch, None when the report does not name it.
    """

    source: Source
    audited: Mapping[str, str]
    vulnerabilities: tuple[Vulnerability, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    data_at: float | None = None


def read_audit(source: Source, name: str, content: bytes, resolved: Resolved) -> Audit:
    """Return what the report of ``source`` says about the packages of ``resolved``; raises Malformed."""
    return _READERS[source](name, parse_object(name, content), resolved)


def _nothing(source: Source, resolved: Resolved, reason: str) -> Audit:
    return Audit(source, {}, skipped=dict.fromkeys(resolved.pins, reason))


def _pip_audit(name: str, report: JsonObject, _resolved: Resolved) -> Audit:
    audited: dict[str, str] = {}
    skipped: dict[str, str] = {}
    found: list[Vulnerability] = []
    for row in rows(f"{name}: dependencies", get(name, report, "dependencies")):
        package = canonical_package(get_text(name, row, "name"))
        if row.get("skip_reason"):
            skipped[package] = str(row["skip_reason"])
            continue
        version = audited[package] = get_text(name, row, "version")
        for known in _objects(f"{name}: vulns of {package}", get(name, row, "vulns")):
            fixed = tuple(sorted(_texts(name, known, "fix_versions")))
            identity, aliases = str(known.get("id", "unnamed")), _texts(name, known, "aliases")
            found.append(Vulnerability(package, version, identity, UNKNOWN, aliases, fixed))
    return Audit("pip-audit", audited, tuple(found), skipped)


def _npm_audit(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    if "vulnerabilities" not in report:
        error = mapping(f"{name}: error", report.get("error") or {})
        reason = str(report.get("message") or error.get("summary") or "no answer").partition(" - ")[0]
        return _nothing("npm-audit", resolved, f"the registry's audit failed: {reason}")
    counts = get(f"{name}: metadata", get(name, report, "metadata"), "dependencies")
    total = get(f"{name}: metadata.dependencies", counts, "total") if isinstance(counts, dict) else counts
    if not isinstance(total, int) or isinstance(total, bool):
        raise Malformed(f"{name}: the number of dependencies is {total!r}, not an integer")
    everything = len(resolved.pins) + len(resolved.conditional) + resolved.further
    if not len(resolved.pins) <= total <= everything:
        return _nothing("npm-audit", resolved, f"it audited {total} packages, the lock has {everything}")
    found = []
    entries = mapping(f"{name}: vulnerabilities", report["vulnerabilities"])
    for package, facts in entries.items():
        causes = get(f"{name}: {package}", facts, "via")
        if not isinstance(causes, list):
            raise Malformed(f"{name}: via of {package} is not an array")
        advisories = [via for via in causes if isinstance(via, dict)]
        # A text names another vulnerable package, which has an entry of its own.
        if not advisories and not any(isinstance(via, str) and via in entries for via in causes):
            raise Malformed(f"{name}: via of {package} names neither an advisory nor another entry")
        for via in advisories:
            identity = str(via.get("url") or via.get("source") or "unnamed").rpartition("/")[2]
            known = canonical_package(package)
            found.append(Vulnerability(known, resolved.pins.get(known, "?"), identity, _severity(via.get("severity"))))
    if entries and not found:
        raise Malformed(f"{name}: {', '.join(entries)} are vulnerable, and no entry has an advisory")
    return Audit("npm-audit", resolved.pins, tuple(found))


def _trivy(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    audited: dict[str, str] = {}
    found = []
    for result in optional_rows(name, report, "Results"):
        for row in optional_rows(name, result, "Packages"):
            audited[canonical_package(get_text(name, row, "Name"))] = str(row.get("Version", ""))
        for row in optional_rows(name, result, "Vulnerabilities"):
            package, version = canonical_package(get_text(name, row, "PkgName")), str(row.get("InstalledVersion", ""))
            fixed = tuple(part.strip() for part in str(row.get("FixedVersion") or "").split(",") if part.strip())
            identity, rating = get_text(name, row, "VulnerabilityID"), _severity(row.get("Severity"))
            found.append(Vulnerability(package, version, identity, rating, (), fixed))
    if not audited:
        skipped = _nothing("trivy", resolved, "trivy lists no package; run it with --list-all-pkgs").skipped
        return Audit("trivy", {}, tuple(found), skipped)
    return Audit("trivy", audited, tuple(found))


def _grype(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    found = []
    for match in rows(f"{name}: matches", get(name, report, "matches")):
        known = mapping(f"{name}: vulnerability", get(name, match, "vulnerability"))
        artifact = mapping(f"{name}: artifact", get(name, match, "artifact"))
        package, version = canonical_package(get_text(name, artifact, "name")), str(artifact.get("version", ""))
        fixed = _texts(name, mapping(f"{name}: fix", known.get("fix") or {}), "versions")
        identity, rating = get_text(name, known, "id"), _severity(known.get("severity"))
        found.append(Vulnerability(package, version, identity, rating, (), fixed))
    database = _grype_database(name, report)
    # Older versions of grype do not say whether it is valid.
    if not database.get("built") or database.get("valid", True) is not True or database.get("error"):
        reason = f"grype had no valid database: {database.get('error') or 'none named'}"
        return Audit("grype", {}, tuple(found), _nothing("grype", resolved, reason).skipped)
    return Audit("grype", resolved.pins, tuple(found), data_at=_time(name, database["built"]))


def _grype_database(name: str, report: JsonObject) -> JsonObject:
    """Return what the report says of the database; older versions of grype have it one level higher."""
    database = mapping(f"{name}: descriptor", get(name, report, "descriptor")).get("db")
    status = database.get("status") or database if isinstance(database, dict) else None
    return status if isinstance(status, dict) else {}


def _osv(name: str, report: JsonObject, _resolved: Resolved) -> Audit:
    """What ``dawsos scan advisories`` wrote after it compared the lock with an OSV export."""
    versions = mapping(f"{name}: audited", get(name, report, "audited"))
    audited = {canonical_package(package): str(version) for package, version in versions.items()}
    found = []
    for row in rows(f"{name}: vulnerabilities", get(name, report, "vulnerabilities")):
        package, version = canonical_package(get_text(name, row, "package")), str(get(name, row, "version"))
        identity, rating = get_text(name, row, "id"), _severity(row.get("severity"))
        aliases, fixed = _texts(name, row, "aliases"), _texts(name, row, "fixed")
        found.append(Vulnerability(package, version, identity, rating, aliases, fixed))
    state = get(f"{name}: data", get(name, report, "data"), "modified")
    return Audit("osv", audited, tuple(found), data_at=_time(name, state))


_READERS: dict[Source, Callable[[str, JsonObject, Resolved], Audit]] = {
    "grype": _grype,
    "npm-audit": _npm_audit,
    "osv": _osv,
    "pip-audit": _pip_audit,
    "trivy": _trivy,
}


def _severity(value: Json) -> Severity:
    """Return the severity on our scale; a word that is not on it is UNKNOWN, which blocks."""
    word = str(value or "").upper()
    return _SYNONYMS.get(word, next((severity for severity in SEVERITIES if severity == word), UNKNOWN))


def _time(name: str, value: Json) -> float:
    try:
        at = datetime.fromisoformat(str(value))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except ValueError as error:
        raise Malformed(f"{name}: {value!r} is not a time") from error


def _texts(name: str, value: JsonObject, key: str) -> tuple[str, ...]:
    return tuple(texts(f"{name}: {key}", value.get(key) or []))


def _objects(place: str, value: Json) -> list[JsonObject]:
    """Return an array of objects; an item that is none is kept as one without a name, so that it still counts."""
    if not isinstance(value, list):
        raise Malformed(f"{place} is not an array")
    return [item if isinstance(item, dict) else {} for item in value]

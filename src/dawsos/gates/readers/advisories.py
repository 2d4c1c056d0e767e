"""Vulnerability reports of several tools, read into one model: what was audited, what was not and why, what was found.

Each reader first establishes what its tool audited, because the tools do not say it alike: pip-audit prints "No known
vulnerabilities found" and exits 0 after it skipped every dependency; npm audit answers with an error object; Trivy lists packages
only with --list-all-pkgs; Grype reports the state of its database, not the packages that it looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from dawsos.gates.documents import Malformed, decode, get, get_text, mapping, optional_rows, parse_object, rows, texts
from dawsos.gates.readers.resolved import Resolved
from dawsos.model.json import Json, JsonObject
from dawsos.model.names import canonical_package

Severity = Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
Source = Literal["grype", "npm-audit", "osv", "pip-audit", "trivy"]
# From the lowest to the highest; a rating counts more than none.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
UNKNOWN: Severity = "UNKNOWN"
_SYNONYMS: dict[str, Severity] = {"MODERATE": "MEDIUM", "NEGLIGIBLE": "LOW", "INFO": "LOW"}
# The kinds of results of trivy that are of one index.
_TRIVY_TYPES = {
    "pypi": frozenset({"pip", "pipenv", "poetry", "uv", "pdm", "pylock", "python-pkg", "conda-pkg"}),
    "npm": frozenset({"npm", "yarn", "pnpm", "bun", "node-pkg"}),
}


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
    if source == "npm-audit" and (lines := _yarn_lines(name, content)):
        return _yarn(name, lines, resolved)
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
            version = str(row.get("version") or "?")
        else:
            version = audited[package] = get_text(name, row, "version")
        for known in _objects(
            f"{name}: vulns of {package}", row.get("vulns", []) if package in skipped else get(name, row, "vulns")
        ):
            fixed = tuple(sorted(_texts(name, known, "fix_versions")))
            identity, aliases = str(known.get("id", "unnamed")), _texts(name, known, "aliases")
            found.append(Vulnerability(package, version, identity, UNKNOWN, aliases, fixed))
    return Audit("pip-audit", audited, tuple(found), skipped)


def _npm_audit(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    """``npm audit --json`` of npm 7 and newer, and the older form of npm 6, pnpm and yarn 2."""
    if "advisories" in report:
        return _npm_6(name, report, resolved)
    if "vulnerabilities" not in report:
        if not {"error", "message"} & report.keys():
            raise Malformed(f"{name} is no report of npm audit, pnpm audit or yarn audit that is known")
        error = mapping(f"{name}: error", report.get("error") or {})
        reason = str(report.get("message") or error.get("summary") or "no answer").partition(" - ")[0]
        return _nothing("npm-audit", resolved, f"the registry's audit failed: {reason}")
    counts = get(f"{name}: metadata", get(name, report, "metadata"), "dependencies")
    total = get(f"{name}: metadata.dependencies", counts, "total") if isinstance(counts, dict) else counts
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
    _check_counted(name, report, found)
    return _of_so_many(name, total, resolved, found)


def _npm_6(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    advisories = mapping(f"{name}: advisories", report["advisories"])
    found = [_advisory(f"{name}: advisory {key}", mapping(name, facts)) for key, facts in advisories.items()]
    metadata = mapping(f"{name}: metadata", get(name, report, "metadata"))
    _check_counted(name, report, found)
    return _of_so_many(name, metadata.get("totalDependencies", metadata.get("dependencies")), resolved, found)


def _advisory(place: str, facts: JsonObject) -> Vulnerability:
    """Return an advisory as npm 6 and yarn 1 write it."""
    versions = [str(row.get("version")) for row in optional_rows(place, facts, "findings") if row.get("version")]
    identity = facts.get("github_advisory_id") or str(facts.get("url") or "").rpartition("/")[2] or facts.get("id")
    aliases = _texts(place, facts, "cves")
    package, rating = canonical_package(get_text(place, facts, "module_name")), _severity(facts.get("severity"))
    return Vulnerability(package, ", ".join(versions) or "?", str(identity or "unnamed"), rating, aliases)


def _check_counted(name: str, report: JsonObject, found: list[Vulnerability]) -> None:
    counts = mapping(f"{name}: metadata", get(name, report, "metadata")).get("vulnerabilities")
    counted = sum(n for n in counts.values() if type(n) is int) if isinstance(counts, dict) else 0
    if counted and not found:
        raise Malformed(f"{name} counts vulnerabilities and shows none: it was cut short or edited")


def _of_so_many(name: str, total: Json, resolved: Resolved, found: list[Vulnerability]) -> Audit:
    """Return the audit of ``total`` packages, of those of the lock when it has as many.  What was found stays found."""
    if not isinstance(total, int) or isinstance(total, bool):
        raise Malformed(f"{name}: the number of dependencies is {total!r}, not an integer")
    everything = len(resolved.pins) + len(resolved.conditional) + resolved.further
    if len(resolved.pins) <= total <= everything:
        return Audit("npm-audit", resolved.pins, tuple(found))
    reason = f"it audited {total} packages, the lock has {everything}"
    return Audit("npm-audit", {}, tuple(found), dict.fromkeys(resolved.pins, reason))


def _yarn_lines(name: str, content: bytes) -> list[JsonObject]:
    """Return the objects of yarn's report, one a line; none when it is another report."""
    lines = [line for line in decode(name, content).splitlines() if line.strip()]
    if not lines or not re.match(r'\s*\{\s*"(?:type|value)"', lines[0]):
        return []
    return [parse_object(f"{name}: line {number}", line.encode()) for number, line in enumerate(lines, start=1)]


def _yarn(name: str, lines: list[JsonObject], resolved: Resolved) -> Audit:
    """``yarn audit --json`` of yarn 1, and ``yarn npm audit --json`` of yarn 4, which names only what is vulnerable."""
    found: list[Vulnerability] = []
    total: Json = None
    reason = "yarn names only what is vulnerable, not what it audited"
    for number, row in enumerate(lines, start=1):
        place = f"{name}: line {number}"
        if row.get("type") == "auditAdvisory":
            found.append(_advisory(place, mapping(place, get(place, get(place, row, "data"), "advisory"))))
        elif row.get("type") == "auditSummary":
            total = mapping(place, get(place, row, "data")).get("totalDependencies")
        elif row.get("type") == "error":
            reason = f"yarn's audit failed: {row.get('data')}"
        elif "value" in row:
            facts = mapping(place, get(place, row, "children"))
            identity = str(facts.get("URL") or facts.get("ID") or "unnamed").rpartition("/")[2]
            versions = ", ".join(_texts(place, facts, "Tree Versions")) or "?"
            package = canonical_package(get_text(place, row, "value"))
            found.append(Vulnerability(package, versions, identity, _severity(facts.get("Severity"))))
    if total is not None:
        return _of_so_many(name, total, resolved, found)
    return Audit("npm-audit", {}, tuple(found), dict.fromkeys(resolved.pins, reason))


def _trivy(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    if not {"Results", "SchemaVersion"} & report.keys():
        raise Malformed(f"{name} is no report of trivy: it has neither Results nor SchemaVersion")
    audited: dict[str, str] = {}
    found = []
    for result in optional_rows(name, report, "Results"):
        # A package of the same name on another index is another package.
        other = resolved.kind and result.get("Type") and result["Type"] not in _TRIVY_TYPES[resolved.kind]
        for row in [] if other else optional_rows(name, result, "Packages"):
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


def _osv(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    """What ``dawsos scan advisories`` wrote after it compared the lock with an OSV export, or osv-scanner's own report."""
    if "results" in report:
        return _osv_scanner(name, report, resolved)
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


def _osv_scanner(name: str, report: JsonObject, resolved: Resolved) -> Audit:
    """``osv-scanner --format json --all-packages``; without the option it lists only what is vulnerable."""
    audited: dict[str, str] = {}
    found = []
    for row in (
        row for result in rows(f"{name}: results", report["results"]) for row in optional_rows(name, result, "packages")
    ):
        facts = mapping(f"{name}: package", get(name, row, "package"))
        package, version = canonical_package(get_text(name, facts, "name")), str(facts.get("version") or "?")
        if not resolved.kind or str(facts.get("ecosystem") or "").lower() in (resolved.kind, ""):
            audited[package] = version
        ratings = {
            identity: _of_score(group.get("max_severity"))
            for group in optional_rows(name, row, "groups")
            for identity in _texts(name, group, "ids")
        }
        for known in optional_rows(name, row, "vulnerabilities"):
            identity = get_text(name, known, "id")
            own = _severity(mapping(name, known.get("database_specific") or {}).get("severity"))
            rating = max(own, ratings.get(identity, UNKNOWN), key=SEVERITIES.index)
            found.append(Vulnerability(package, version, identity, rating, _texts(name, known, "aliases")))
    if audited or found:
        return Audit("osv", audited, tuple(found))
    return _nothing("osv", resolved, "osv-scanner lists no package; run it with --all-packages")


def _of_score(value: Json) -> Severity:
    """Return the severity of a CVSS score, written as a text like 9.8; UNKNOWN when it is none."""
    if not re.fullmatch(r"\d{1,2}(\.\d+)?", str(value)):
        return UNKNOWN
    score = float(str(value))
    limits: tuple[tuple[float, Severity], ...] = ((9, "CRITICAL"), (7, "HIGH"), (4, "MEDIUM"), (0.1, "LOW"))
    return next((severity for least, severity in limits if score >= least), UNKNOWN)


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

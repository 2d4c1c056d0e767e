"""Every resolved dependency was audited against current data, and none has a known vulnerability that blocks.

The gate compares "audited" with "resolved", because a scanner that reached no data reports that it found nothing.  What was not
audited is ``no_data`` with source, reason and date.  It blocks, unless a file has a waiver (by, why, until) or the pipeline
says ``not_audited: warn``, which has no effect in the profile production.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, Missing, required_file
from dawsos.gates.readers.advisories import SEVERITIES, UNKNOWN, Audit, Source, Vulnerability, read_audit
from dawsos.gates.readers.context import CONTEXT, PRODUCTION, EvaluationContext, read_context
from dawsos.gates.readers.resolved import Resolved, read_resolved
from dawsos.gates.readers.waivers import Waiver, earliest, read_waivers
from dawsos.model.names import canonical_package
from dawsos.model.pipeline import GateOptions
from dawsos.model.units import PositiveDuration

NOT_AUDITED = "NOT-AUDITED"
_DAY = 86400.0


class Options(GateOptions):
    """The reports of ``sources`` (tool -> file) together cover every package of ``resolved`` (a lock or a bill of materials).

    A severity in ``fail_on`` blocks, and so does a vulnerability without one.  Data older than ``max_age`` audits nothing.
    """

    sources: dict[Source, EvidencePath] = Field(min_length=1)
    resolved: EvidencePath = "requirements.txt"
    waivers: EvidencePath | None = None
    fail_on: tuple[Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"], ...] = ("HIGH", "CRITICAL")
    max_age: PositiveDuration = 7 * _DAY
    not_audited: Literal["block", "warn"] = "block"


@dataclass(frozen=True)
class _Gap:
    """A resolved package that no source audited, and why."""

    package: str
    reason: str

    def __str__(self) -> str:
        return f"NOT AUDITED {self.package}: {self.reason}"


def files(options: Options) -> tuple[str, ...]:
    waivers = (options.waivers,) if options.waivers else ()
    return (*options.sources.values(), options.resolved, *waivers, CONTEXT)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """A vulnerability fails the gate whatever else is missing; a package that was not audited never counts as clean."""
    context = read_context(evidence)
    resolved, audits, problem = _read_all(options, evidence)
    written = (
        read_waivers(options.waivers, required_file(evidence, options.waivers), "id", "by") if options.waivers else []
    )
    known = _merged(audits)
    blocking = [found for found in known if found.severity in (*options.fail_on, UNKNOWN)]
    unwaived, waived = _split(blocking, written, context)
    if problem is not None and not unwaived:
        raise problem
    every = _gaps(resolved, audits, context, options.max_age)
    gaps, waived_gaps = _waived_gaps(every, written, context)
    not_locked = _not_locked(resolved, audits)
    used = [*waived.values(), *waived_gaps.values()]
    count = len(resolved.pins)
    measured = f"{len(unwaived)} vulnerable, {count - len({g.package for g in every} & resolved.pins.keys())} of {count} audited"
    measured += f", {len(used)} waived" if used else ""
    below = len(known) - len(blocking)
    measured += f", {below} below the limit" if below else ""
    limit = f"0 vulnerable, {count} of {count} audited"
    findings = (
        *(_with_expired(str(found), found.names, found.package, written, context) for found in unwaived),
        *(_with_expired(str(gap), {NOT_AUDITED}, gap.package, written, context) for gap in gaps), *not_locked,
        *(f"{found}, {waiver}" for found, waiver in waived.items()), *(f"{gap}, {waiver}" for gap, waiver in waived_gaps.items()),
    )  # fmt: skip
    read = tuple(name for name in files(options) if name in evidence)
    until = earliest(used, *_stale_at(audits, options.max_age))
    gap = _summary(gaps, not_locked, audits)
    if unwaived:
        also = () if problem is None else (f"NOT AUDITED: {problem}",)
        return Measurement("fail", measured, limit, findings[0], read, (*findings, *also))
    if gaps or not_locked:
        if options.not_audited == "block" or context.profile == PRODUCTION:
            return Measurement("no_data", measured, limit, gap, read, findings)
        gap = f"warning: {gap}"
    message = gap or "all audited, nothing known that blocks"
    return Measurement("pass", measured, limit, message, read, findings, valid_until=until, unchecked=bool(gap))


def _read_all(options: Options, evidence: Evidence) -> tuple[Resolved, list[Audit], Missing | Malformed | None]:
    """Return the lock, the reports that can be read, and what stands against the first file that cannot."""
    problems: list[Missing | Malformed] = []
    resolved = Resolved({})
    try:
        resolved = read_resolved(options.resolved, required_file(evidence, options.resolved))
    except (Missing, Malformed) as problem:
        problems.append(problem)
    audits = []
    for source, path in options.sources.items():
        try:
            audits.append(_read(source, path, evidence, resolved))
        except (Missing, Malformed) as problem:
            problems.append(problem)
    return resolved, audits, problems[0] if problems else None


def _read(source: Source, path: str, evidence: Evidence, resolved: Resolved) -> Audit:
    content = required_file(evidence, path)
    if not content.strip():
        return Audit(source, {}, skipped=dict.fromkeys(resolved.pins, f"{source} left an empty report"))
    return read_audit(source, path, content, resolved)


def _merged(audits: Sequence[Audit]) -> list[Vulnerability]:
    """Return each vulnerability once, also when two sources report it by the same id or an alias; the higher severity counts."""
    merged: list[Vulnerability] = []
    for found in (found for audit in audits for found in audit.vulnerabilities):
        twin = next((m for m in merged if m.package == found.package and found.names & m.names), None)
        if twin is None:
            merged.append(found)
            continue
        # Of equal ratings the first stays.  Both keep the names of the other, for a waiver may know it by any of them.
        kept = max(twin, found, key=lambda rated: SEVERITIES.index(rated.severity))
        aliases = (found.names | twin.names) - {kept.id}
        merged[merged.index(twin)] = replace(kept, aliases=tuple(sorted(aliases)))
    return merged


def _gaps(resolved: Resolved, audits: Sequence[Audit], context: EvaluationContext, max_age: float) -> list[_Gap]:
    """Return the packages that no source with recent data has audited in the resolved version."""
    gaps: dict[str, list[str]] = {}
    covered: set[str] = set()
    for audit in audits:
        stale = _stale(audit, context, max_age)
        for package, version in resolved.pins.items():
            reason = audit.skipped.get(package)
            if reason is None and package not in audit.audited:
                reason = "not in the report"
            elif reason is None and version and audit.audited[package] != version:
                reason = f"locked {version}, audited {audit.audited[package]}"
            elif reason is None:
                reason = stale
            if reason is None:
                covered.add(package)
            else:
                gaps.setdefault(package, []).append(f"{audit.source}: {reason}")
        for package in resolved.conditional & audit.skipped.keys():
            gaps.setdefault(package, []).append(f"{audit.source}: {audit.skipped[package]}")
    return [_Gap(package, "; ".join(reasons)) for package, reasons in gaps.items() if package not in covered]


def _stale(audit: Audit, context: EvaluationContext, max_age: float) -> str | None:
    """Return why the data of ``audit`` is not recent, None when it is or has no date."""
    if audit.data_at is None:
        return None
    age = context.at - audit.data_at
    # Clocks differ; a day is more than any of them is wrong by.
    if age < -_DAY:
        return f"data of {_day(audit.data_at)} is dated after this evaluation"
    return f"data of {_day(audit.data_at)} is {age / _DAY:.0f} days old" if age > max_age else None


def _day(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0, UTC).date().isoformat()


def _not_locked(resolved: Resolved, audits: Sequence[Audit]) -> list[str]:
    """Return a line for each package that pip-audit saw and the lock lacks: the report is then of another lock."""
    lines = []
    for audit in audits:
        if audit.source == "pip-audit":
            unknown = sorted(audit.audited.keys() - resolved.pins.keys() - resolved.conditional)
            lines += [f"NOT IN THE LOCK {package} {audit.audited[package]}" for package in unknown]
    return lines


def _covers(waiver: Waiver, names: Set[str], package: str) -> bool:
    return waiver.subject in names and (not waiver.package or canonical_package(waiver.package) == package)


def _split(
    found: Sequence[Vulnerability], waivers: Sequence[Waiver], context: EvaluationContext
) -> tuple[list[Vulnerability], dict[Vulnerability, Waiver]]:
    """Return the vulnerabilities that block, and those with a waiver that has not expired."""
    waived: dict[Vulnerability, Waiver] = {}
    for vulnerability in found:
        good = (w for w in waivers if w.until >= context.day and _covers(w, vulnerability.names, vulnerability.package))
        waiver = next(good, None)
        if waiver is not None:
            waived[vulnerability] = waiver
    return [vulnerability for vulnerability in found if vulnerability not in waived], waived


def _waived_gaps(
    gaps: Sequence[_Gap], waivers: Sequence[Waiver], context: EvaluationContext
) -> tuple[list[_Gap], dict[_Gap, Waiver]]:
    waived_gaps: dict[_Gap, Waiver] = {}
    for gap in gaps:
        good = (w for w in waivers if w.until >= context.day and _covers(w, {NOT_AUDITED}, gap.package))
        waiver = next(good, None)
        if waiver is not None:
            waived_gaps[gap] = waiver
    return [gap for gap in gaps if gap not in waived_gaps], waived_gaps


def _with_expired(
    line: str, names: Set[str], package: str, waivers: Sequence[Waiver], context: EvaluationContext
) -> str:
    """Return ``line`` with a note when an expired waiver covers the finding by one of its ``names``."""
    for waiver in waivers:
        if waiver.until < context.day and _covers(waiver, names, package):
            return f"{line} (its waiver by {waiver.by} expired on {waiver.until})"
    return line


def _stale_at(audits: Sequence[Audit], max_age: float) -> list[float]:
    return [audit.data_at + max_age for audit in audits if audit.data_at is not None]


def _summary(gaps: Sequence[_Gap], not_locked: Sequence[str], audits: Sequence[Audit]) -> str:
    if gaps:
        names = ", ".join(gap.package for gap in gaps[:3]) + (" ..." if len(gaps) > 3 else "")
        dated = [f"{audit.source} data of {_day(audit.data_at)}" for audit in audits if audit.data_at is not None]
        return f"NOT AUDITED {len(gaps)} ({names}): {gaps[0].reason}" + (f" [{'; '.join(dated)}]" if dated else "")
    return f"the report is not of this lock: {not_locked[0]}" if not_locked else ""


GATE = GateKind(Options, files, evaluate)

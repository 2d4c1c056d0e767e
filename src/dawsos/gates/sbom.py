"""The bill of materials exists and is complete: it has a minimum number of packages of each kind.

A scanner that finds no package database writes an empty list, which would look clean; the minimum refuses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from packaging.version import InvalidVersion, Version
from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, parse_object, required_file
from dawsos.gates.readers.resolved import Resolved, read_resolved
from dawsos.gates.readers.spdx import Package, read_packages
from dawsos.model.names import canonical_package
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """An SPDX or CycloneDX JSON ``report`` with at least ``min_packages`` packages, and per kind (pypi, deb, npm) those in ``kinds``.

    With ``resolved`` (a lock file) each locked package must be in the report, in its version.  ``form`` demands one format.
    """

    report: EvidencePath = "sbom.json"
    min_packages: int = Field(default=1, ge=1)
    kinds: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    resolved: EvidencePath | None = None
    form: str | None = Field(default=None, pattern="^(SPDX|CycloneDX)$")


def files(options: Options) -> tuple[str, ...]:
    return (options.report, options.resolved) if options.resolved else (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    form, packages = read_packages(
        options.report, parse_object(options.report, required_file(evidence, options.report))
    )
    if options.form is not None and form != options.form:
        raise Malformed(f"{options.report} is {form}, {options.form} is wanted")
    named = {(package.kind, canonical_package(package.name)) for package in packages}
    counted = Counter(kind for kind, _ in named)
    short = [f"only {len(named)} packages"] if len(named) < options.min_packages else []
    short += [f"only {counted[kind]} {kind} packages" for kind, least in options.kinds.items() if counted[kind] < least]
    absent: list[str] = []
    unknown = 0
    if options.resolved is not None:
        lock = read_resolved(options.resolved, required_file(evidence, options.resolved))
        absent, unknown = _against(lock, packages)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))
    limits = [f"at least {options.min_packages}", *(f"{least} {kind}" for kind, least in options.kinds.items())]
    problems = [f"{text}: the generator did not see the dependencies" for text in short] + absent
    return Measurement(
        "fail" if problems else "pass",
        f"{len(named)} packages ({form})"
        + (f": {kinds}" if options.kinds else "")
        + (f", {len(absent)} missing" if absent else "")
        + (f", {unknown} without a version" if unknown and not absent else ""),
        ", ".join(limits) + (", every locked package" if options.resolved else ""),
        message=problems[0] if problems else "complete",
        evidence=files(options),
        findings=tuple(problems),
        unchecked=bool(unknown),
    )


def _against(lock: Resolved, packages: Sequence[Package]) -> tuple[list[str], int]:
    """Return a line for each locked package that is not listed in its version, and how many are listed without one.

    A package of the same name on another index is another package; one without a purl may be of any.
    """
    listed: dict[str, set[str]] = {}
    for package in packages:
        if not lock.kind or package.kind in (lock.kind, "generic"):
            listed.setdefault(canonical_package(package.name), set()).add(package.version)
    lines, unknown = [], 0
    for name, version in sorted(lock.pins.items()):
        if name not in listed:
            lines.append(f"{name} {version} is locked and not listed")
        elif version and not listed[name] - {""}:
            unknown += 1
        elif version and not any(_same(version, other) for other in listed[name]):
            others = ", ".join(sorted(listed[name] - {""}))
            lines.append(f"{name} {version} is locked and {others} listed: the bill is of another lock")
    return lines, unknown


def _same(first: str, second: str) -> bool:
    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first == second


GATE = GateKind(Options, files, evaluate)

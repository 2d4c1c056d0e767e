"""The bill of materials exists and is complete: it has a minimum number of packages of each kind.

A scanner that finds no package database writes an empty list, which would look clean; the minimum refuses it.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, parse_object, required_file
from dawsos.gates.readers.resolved import read_resolved
from dawsos.gates.readers.spdx import read_packages
from dawsos.model.names import canonical_package
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """An SPDX or CycloneDX JSON ``report`` with at least ``min_packages`` packages, and per kind (pypi, deb, npm) those in ``kinds``.

    With ``resolved`` (a lock file) each locked package must be in the report.  ``form`` demands one of the two formats.
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
    if options.resolved is not None:
        pins = read_resolved(options.resolved, required_file(evidence, options.resolved)).pins
        absent = [
            f"{package} {pins[package]} is locked and not listed"
            for package in sorted(pins.keys() - {n for _, n in named})
        ]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))
    limits = [f"at least {options.min_packages}", *(f"{least} {kind}" for kind, least in options.kinds.items())]
    problems = [f"{text}: the generator did not see the dependencies" for text in short] + absent
    return Measurement(
        "fail" if problems else "pass",
        f"{len(named)} packages ({form})"
        + (f": {kinds}" if options.kinds else "")
        + (f", {len(absent)} missing" if absent else ""),
        ", ".join(limits) + (", every locked package" if options.resolved else ""),
        message=problems[0] if problems else "complete",
        evidence=files(options),
        findings=tuple(problems),
    )


GATE = GateKind(Options, files, evaluate)

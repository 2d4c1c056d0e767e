"""Enough of the code is covered, in total and in each named part."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, Missing, parse_xml, required_file
from dawsos.model.pipeline import GateOptions

_BRANCHES = re.compile(r"\((\d+)/(\d+)\)")
# A limit that is no number is never undercut, and one above 100 never reached.
_PerCent = Annotated[float, Field(ge=0, le=100)]


class Options(GateOptions):
    """Per cent covered, of lines and, where the report has them, branches: ``total``, and per path in ``modules``."""

    report: EvidencePath = "coverage.xml"
    total: _PerCent
    modules: dict[str, _PerCent] = Field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """``names`` are the paths by which the file may be called: below its source folder, and with that folder."""

    names: tuple[str, ...]
    missed: tuple[int, ...]
    covered: int
    countable: int
    branches: int


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """Count, never average rates: a small file must not weigh as much as a large one."""
    everything = _files(options.report, parse_xml(options.report, required_file(evidence, options.report)))
    parts = [("total", options.total, everything)]
    for prefix, limit in options.modules.items():
        chosen = [file for file in everything if _below(file, prefix)]
        if not sum(file.countable for file in chosen):
            raise Missing(f"{options.report} has no line of {prefix}: nothing was measured there")
        parts.append((prefix, limit, chosen))
    short = [part for part in parts if _rate(part[2]) < part[1]]
    findings = sorted({_finding(file) for _, limit, chosen in short for file in chosen if _rate([file]) < limit})
    measured = [f"{_shown(_rate(chosen))} total" for _, _, chosen in parts[:1]]
    measured += [f"{part} {_shown(_rate(chosen))}" for part, _, chosen in parts[1:]]
    limits = [f"{options.total:g} % total", *(f"{part} {limit:g} %" for part, limit in options.modules.items())]
    message = f"{short[0][0]} {_shown(_rate(short[0][2]))} < {short[0][1]:g} %" if short else "enough is covered"
    return Measurement(
        "fail" if short else "pass",
        "; ".join([measured[0], ", ".join(measured[1:])]) if options.modules else measured[0],
        "; ".join([limits[0], ", ".join(limits[1:])]) if options.modules else limits[0],
        message=message,
        evidence=(options.report,),
        findings=tuple(findings),
    )


def _files(name: str, root: ElementTree.Element) -> list[_File]:
    if root.tag != "coverage":
        raise Malformed(f"{name} is not a Cobertura report: its root is <{root.tag}>")
    bases = [(source.text or "").rstrip("/").rpartition("/")[2] for source in root.iterfind("./sources/source")]
    found = [_file(name, element, [base for base in bases if base]) for element in root.iter("class")]
    if not sum(file.countable for file in found):
        raise Missing(f"{name} has no line: nothing was measured")
    announced = root.get("branches-valid") or "0"
    if announced.isdecimal() and int(announced) and not sum(file.branches for file in found):
        raise Malformed(f"{name} counts {announced} branches and shows none: it was cut short, or is of another form")
    return found


def _file(name: str, element: ElementTree.Element, bases: Sequence[str]) -> _File:
    filename = element.get("filename", "")
    missed, covered, countable, all_branches = [], 0, 0, 0
    for line in element.iterfind("./lines/line"):
        number, hits = line.get("number", ""), line.get("hits", "")
        if not (number.isdecimal() and hits.isdecimal()):
            raise Malformed(f"{name}: {filename} has a line without number or hits")
        taken, branches = _branches(f"{name}: {filename}:{number}", line)
        if taken > branches:
            raise Malformed(f"{name}: {filename}:{number} has {taken} of {branches} branches taken")
        countable += 1 + branches
        all_branches += branches
        covered += (int(hits) > 0) + taken
        if int(hits) == 0 or taken < branches:
            missed.append(int(number))
    names = (*(f"{base}/{filename}" for base in bases), filename)
    return _File(names, tuple(missed), covered, countable, all_branches)


def _branches(place: str, line: ElementTree.Element) -> tuple[int, int]:
    """Return branches taken and branches of a line: coverage.py's own total counts both beside the lines."""
    # As bool is written in XML, in Python and in .NET.
    word = (line.get("branch") or "false").strip().lower()
    if word not in ("true", "1", "false", "0"):
        raise Malformed(f"{place}: branch is {line.get('branch')!r}, neither true nor false")
    if word in ("false", "0"):
        return 0, 0
    counts = line.get("condition-coverage", "")
    match = _BRANCHES.search(counts)
    if match is None:
        raise Malformed(
            f"{place}: condition-coverage is {counts!r}, without the branches taken and all branches, like (1/2)"
        )
    return int(match[1]), int(match[2])


def _below(file: _File, prefix: str) -> bool:
    return any(f"{name}/".startswith(f"{prefix.strip('/')}/") for name in file.names)


def _rate(chosen: Sequence[_File]) -> float:
    countable = sum(file.countable for file in chosen)
    # Multiplied first: 57 of 60 must be 95, not 94.99999999999999.
    return 100 * sum(file.covered for file in chosen) / countable if countable else 100.0


def _shown(rate: float) -> str:
    """Return the rate rounded down, so that what is below the limit never reads as the limit."""
    return f"{math.floor(rate * 100) / 100:.2f} %"


def _finding(file: _File) -> str:
    ranges: list[list[int]] = []
    for line in sorted(file.missed):
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    lines = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
    return f"{file.names[0]}: {_shown(_rate([file]))}, not covered: {lines}"


GATE = GateKind(Options, files, evaluate)

"""Enough of the code is covered, in total and in each named part."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from dawsos.gates.evidence import Malformed, Missing, one, parse_xml, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """Per cent of lines covered: ``total``, and per path prefix in ``modules``."""

    report: str = "coverage.xml"
    total: float = Field(ge=0, le=100)
    modules: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    path: str
    missed: tuple[int, ...]
    lines: int


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    """Count lines, never average rates: a small file must not weigh as much as a large one."""
    measured_files = _files(options.report, parse_xml(options.report, one(evidence, options.report)))
    parts = [("total", options.total, measured_files)]
    for prefix, limit in options.modules.items():
        chosen = [file for file in measured_files if f"/{file.path}".find(f"/{prefix.strip('/')}/") >= 0]
        if not sum(file.lines for file in chosen):
            raise Missing(f"{options.report} has no line of {prefix}: nothing was measured there")
        parts.append((prefix, limit, chosen))
    rates = [(part, limit, _rate(chosen), chosen) for part, limit, chosen in parts]
    short = [(part, limit, rate, chosen) for part, limit, rate, chosen in rates if rate + 1e-9 < limit]
    findings = sorted({finding for _, _, _, chosen in short for finding in _missed(chosen)})
    message = f"{short[0][0]} {short[0][2]:.2f} % < {short[0][1]:g} %" if short else "enough is covered"
    return verdict(
        (name, "coverage"),
        not short,
        ", ".join(f"{part} {rate:.2f} %" for part, _, rate, _ in rates),
        ", ".join(f"{part} {limit:g} %" for part, limit, _, _ in rates),
        message=message,
        evidence=[options.report],
        findings=findings,
    )


def _files(name: str, root: ElementTree.Element) -> list[_File]:
    if root.tag != "coverage":
        raise Malformed(f"{name} is not a Cobertura report: its root is <{root.tag}>")
    base = (root.findtext("./sources/source") or "").rstrip("/").rpartition("/")[2]
    found = []
    for element in root.iter("class"):
        lines = [(int(line.get("number", 0)), int(line.get("hits", 0))) for line in element.iterfind("./lines/line")]
        path = f"{base}/{element.get('filename', '')}" if base else element.get("filename", "")
        found.append(_File(path, tuple(number for number, hits in lines if not hits), len(lines)))
    if not sum(file.lines for file in found):
        raise Missing(f"{name} has no line: nothing was measured")
    return found


def _rate(chosen: list[_File]) -> float:
    lines = sum(file.lines for file in chosen)
    return 100.0 * (lines - sum(len(file.missed) for file in chosen)) / lines


def _missed(chosen: list[_File]) -> list[str]:
    return [f"{file.path}: lines {', '.join(map(str, file.missed[:12]))} not covered" for file in chosen if file.missed]

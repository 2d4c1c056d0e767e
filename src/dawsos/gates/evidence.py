"""Reading evidence: JSON, JUnit and Cobertura, with one error for what is missing and one for what cannot be read."""

from __future__ import annotations

import fnmatch
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawsos.model.verdicts import GateResult, GateVerdict


class Missing(Exception):  # noqa: N818 - a state of the evidence, not a failure of ours
    """The evidence is not there."""


class Malformed(Exception):  # noqa: N818
    """The evidence is there and cannot be understood."""


@dataclass(frozen=True)
class TestCase:
    """One test of a JUnit report; ``outcome`` is passed, failed or skipped."""

    __test__ = False

    id: str
    outcome: str
    message: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def verdict(gate: tuple[str, str], passed: bool, measured: str, limit: str, **rest: Any) -> GateVerdict:
    """Return pass or fail for ``gate`` = (name, kind); ``rest``: message, evidence, findings."""
    result: GateResult = "pass" if passed else "fail"
    return GateVerdict(
        gate[0],
        gate[1],
        result,
        measured,
        limit,
        rest.get("message", ""),
        tuple(rest.get("evidence", ())),
        tuple(rest.get("findings", ())),
    )


def one(evidence: Mapping[str, bytes], name: str) -> bytes:
    """Return the file called ``name``; raises Missing."""
    if name not in evidence:
        raise Missing(f"there is no {name}: the step that writes it did not run or failed before")
    return evidence[name]


def several(evidence: Mapping[str, bytes], pattern: str) -> dict[str, bytes]:
    """Return the files that match the glob; raises Missing when none does."""
    found = {name: content for name, content in sorted(evidence.items()) if fnmatch.fnmatchcase(name, pattern)}
    if not found:
        raise Missing(f"there is no {pattern}: the step that writes it did not run or failed before")
    return found


def parse_json(name: str, content: bytes, kind: type | tuple[type, ...] = dict) -> Any:
    """Return the JSON value, which must be a ``kind``; raises Malformed."""
    try:
        value = json.loads(content)
    except ValueError as error:
        raise Malformed(f"{name} is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise Malformed(f"{name} holds a {type(value).__name__}, which is not what this gate reads")
    return value


def parse_xml(name: str, content: bytes) -> ElementTree.Element:
    """Return the root element; raises Malformed, also for a document type, in which entity bombs come."""
    if b"<!ENTITY" in content:
        raise Malformed(f"{name} declares entities, which no report needs")
    try:
        return ElementTree.fromstring(content)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise Malformed(f"{name} is not XML: {error}") from error


def junit_cases(name: str, content: bytes) -> list[TestCase]:
    """Return the tests of a JUnit report; raises Malformed."""
    root = parse_xml(name, content)
    if root.tag not in ("testsuites", "testsuite"):
        raise Malformed(f"{name} is not a JUnit report: its root is <{root.tag}>")
    return [_case(element) for element in root.iter("testcase")]


def _case(element: ElementTree.Element) -> TestCase:
    identity = "::".join(part for part in (element.get("classname"), element.get("name")) if part)
    properties = tuple((p.get("name", ""), p.get("value", "")) for p in element.iter("property"))
    for tag in ("failure", "error"):
        found = element.find(tag)
        if found is not None:
            lines = (found.get("message") or found.text or "").strip().splitlines()
            return TestCase(identity, "failed", lines[0] if lines else tag, properties)
    return TestCase(identity, "passed" if element.find("skipped") is None else "skipped", "", properties)


def number(name: str, value: object) -> float:
    """Return ``value`` as a number; raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise Malformed(f"{name} is {value!r}, not a number")
    return float(value)


def get(name: str, mapping: Mapping[str, Any], key: str) -> Any:
    """Return ``mapping[key]``; raises Malformed naming the file."""
    if key not in mapping:
        raise Malformed(f"{name} has no {key!r}")
    return mapping[key]

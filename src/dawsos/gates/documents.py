"""Reading evidence: JSON, JUnit and Cobertura, with one error for what is missing and one for what cannot be read."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator


class Missing(Exception):
    """The evidence is not there."""


class Malformed(Exception):
    """The evidence is there and cannot be understood."""


def _evidence_path(value: str) -> str:
    parts = value.split("/")
    if not value or value.startswith("/") or ".." in parts:
        raise ValueError(f"{value!r} is not a path below the stage's artifact folder")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{value!r}: ** must be a whole part of the path")
    return value


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    return value


# Both are checked when the pipeline file is read, so that a typo is not found after the tests have run.
EvidencePath = Annotated[str, AfterValidator(_evidence_path)]
Regex = Annotated[str, AfterValidator(_regular_expression)]


@dataclass(frozen=True)
class TestCase:
    """One test of a JUnit report; ``outcome`` is passed, failed or skipped."""

    __test__ = False

    id: str
    outcome: str
    message: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def one(evidence: Mapping[str, bytes], name: str) -> bytes:
    """Return the file called ``name``; raises Missing."""
    if name not in evidence:
        raise Missing(f"there is no {name}: the step that writes it did not run or failed before")
    return evidence[name]


def several(evidence: Mapping[str, bytes], pattern: str) -> dict[str, bytes]:
    """Return the files that match the glob; raises Missing when none does."""
    glob = _glob(pattern)
    found = {name: content for name, content in sorted(evidence.items()) if glob.fullmatch(name)}
    if not found:
        raise Missing(f"there is no {pattern}: the step that writes it did not run or failed before")
    return found


def _glob(pattern: str) -> re.Pattern[str]:
    """Return ``pattern`` as pathlib reads it, because pathlib chose the files: ``*`` stays within a folder."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", pattern)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part) or _literal_or_class(part) for part in parts), re.DOTALL)


def _literal_or_class(part: str) -> str:
    if not re.fullmatch(r"\[!?[^\]]+\]", part):
        return re.escape(part)
    letters = re.sub(r"([\\^\[&~|])", r"\\\1", part[1:-1].removeprefix("!"))
    return f"(?!/)[{'^' if part.startswith('[!') else ''}{letters}]"


def text(name: str, content: bytes) -> str:
    """Return the file as text; raises Malformed."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def parse_json(name: str, content: bytes, kind: type | tuple[type, ...] = dict) -> Any:
    """Return the JSON value, which must be a ``kind``; raises Malformed."""
    try:
        value = json.loads(text(name, content))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{name} is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise Malformed(f"{name} holds a {type(value).__name__}, which is not what this gate reads")
    return value


def parse_xml(name: str, content: bytes) -> ElementTree.Element:
    """Return the root element; raises Malformed, also for entities, in which bombs come.

    The text is decoded first: searching the bytes would miss the same declaration written in UTF-16.
    """
    document = text(name, content)
    if "<!ENTITY" in document:
        raise Malformed(f"{name} declares entities, which no report needs")
    try:
        return ElementTree.fromstring(document)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise Malformed(f"{name} is not XML: {error}") from error


def junit_cases(name: str, content: bytes) -> list[TestCase]:
    """Return the tests of a JUnit report; raises Malformed, also when the report's own totals say more failed."""
    root = parse_xml(name, content)
    if root.tag not in ("testsuites", "testsuite"):
        raise Malformed(f"{name} is not a JUnit report: its root is <{root.tag}>")
    cases = [_case(element) for element in root.iter("testcase")]
    # pytest counts a test that fails and then fails again in its teardown twice, so only "none" can be compared.
    claimed = sum(_count(name, suite, key) for suite in root.iter("testsuite") for key in ("failures", "errors"))
    if claimed and not any(case.outcome == "failed" for case in cases):
        raise Malformed(f"{name} counts {claimed} failures and shows none: it was cut short or edited")
    return cases


def _count(name: str, suite: ElementTree.Element, key: str) -> int:
    value = suite.get(key) or "0"
    if not value.isdecimal():
        raise Malformed(f"{name}: {key} is {value!r}, not a count")
    return int(value)


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
    """Return ``value`` as a finite number; raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Malformed(f"{name} is {value!r}, not a number")
    return float(value)


def get(name: str, mapping: object, key: str) -> Any:
    """Return ``mapping[key]``; raises Malformed naming the file."""
    if not isinstance(mapping, Mapping):
        raise Malformed(f"{name} holds a {type(mapping).__name__} where a mapping with {key!r} belongs")
    if key not in mapping:
        raise Malformed(f"{name} has no {key!r}")
    return mapping[key]


def rows(name: str, value: object, what: str) -> list[dict[str, Any]]:
    """Return ``value`` as a list of mappings; raises Malformed."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name}: {what} is not a list of mappings")
    return value

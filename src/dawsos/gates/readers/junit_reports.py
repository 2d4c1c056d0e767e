"""The tests of a JUnit report.  Its own totals say how many there must be: fewer than that are a report that was cut short."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Literal

from dawsos.gates.documents import Malformed, parse_xml

TestOutcome = Literal["passed", "failed", "skipped"]
_FAILURES = ("failure", "error")
# Surefire: attempts that failed before one passed, and attempts that failed after the first one did.
_FLAKY, _RERUNS = ("flakyFailure", "flakyError"), ("rerunFailure", "rerunError")
# What googletest and others say in an attribute and not in a child.
_NOT_RUN = frozenset({"notrun", "suppressed", "skipped", "disabled", "ignored", "pending", "todo"})
_BROKEN = frozenset({"failed", "failure", "fail", "error", "errored", "broken", "timeout", "timedout", "aborted"})
# More of them say nothing that the first ones do not.
_SHOWN = 100


@dataclass(frozen=True)
class TestCase:
    """One test of a JUnit report.  ``id`` is ``classname::name``; an error counts as failed.

    ``retried`` is a test that passed after an attempt that failed, ``unseen`` stands for tests that are counted and not shown.
    """

    __test__ = False

    id: str
    outcome: TestOutcome
    message: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    retried: bool = False
    unseen: bool = False


def junit_cases(name: str, content: bytes) -> list[TestCase]:
    """Return the tests of a JUnit report, and a failed one for each failure that belongs to no test.

    Raises Malformed, also when the report's own totals say that it shows fewer tests, or no failure where there were some.
    """
    root = parse_xml(name, content)
    for element in root.iter():
        # A namespace, which some tools write, is part of the tag to the parser.
        element.tag = element.tag.rpartition("}")[2]
    if root.tag not in ("testsuites", "testsuite"):
        raise Malformed(f"{name} is not a JUnit report: its root is <{root.tag}>")
    suites = [element for element in root.iter() if element.tag in ("testsuites", "testsuite")]
    unseen = [case for suite in suites for case in _check_totals(name, suite)]
    straight = [_broken(suite, child) for suite in suites for child in suite if child.tag in _FAILURES]
    return [*(_case(element) for element in root.iter("testcase")), *straight, *_hidden(name, root), *unseen]


def _check_totals(name: str, suite: ElementTree.Element) -> list[TestCase]:
    """Return what is counted and not shown: nothing, or the subtests of pytest.  Raises Malformed for other totals that do not fit."""
    cases = list(suite.iter("testcase"))
    announced = _count(name, suite, "tests")
    # pytest counts a test that passes and then fails in its teardown twice; such a test has an error.
    twice = sum(case.find("error") is not None for case in cases)
    unseen = announced - len(cases) - twice
    # pytest 9 counts each subtest that passed and shows only the test; nothing else tells such a report from one that was edited.
    of_pytest = suite.get("name") == "pytest" and bool(cases)
    if unseen > 0 and not of_pytest:
        raise Malformed(f"{name} announces {announced} tests and shows {len(cases)}: it was cut short or edited")
    claimed = sum(_count(name, suite, key) for key in ("failures", "errors"))
    if claimed and not any(_case(case).outcome == "failed" for case in cases) and not _elements(suite):
        raise Malformed(f"{name} counts {claimed} failures and shows none: it was cut short or edited")
    if unseen <= 0:
        return []
    words = f"{name} counts {unseen} more than it shows: subtests that passed, or the report was edited"
    return [TestCase(f"{name}::counted and not shown", "skipped", words, unseen=True)]


def _hidden(name: str, root: ElementTree.Element) -> list[TestCase]:
    """Return a failed test for each failure that the totals count beyond those that are shown."""
    hidden = [
        sum(_count(name, suite, key) for key in ("failures", "errors")) - _elements(suite)
        for suite in root.iter()
        if suite.tag in ("testsuites", "testsuite")
    ]
    beyond = max(0, *hidden)
    message = f"the report's totals count {beyond} failures more than it shows"
    return [TestCase(f"{name}::not shown {number}", "failed", message) for number in range(1, min(beyond, _SHOWN) + 1)]


def _elements(suite: ElementTree.Element) -> int:
    """Return how many failures are shown: elements, or tests that say so in an attribute."""
    marked = sum(
        _word(case) in _BROKEN and not any(case.find(t) is not None for t in _FAILURES)
        for case in suite.iter("testcase")
    )
    return marked + sum(element.tag in _FAILURES for element in suite.iter())


def _broken(suite: ElementTree.Element, found: ElementTree.Element) -> TestCase:
    return TestCase(suite.get("name") or "a suite without a name", "failed", _said(found))


def _case(element: ElementTree.Element) -> TestCase:
    identity = "::".join(part for part in (element.get("classname"), element.get("name")) if part)
    properties = tuple((p.get("name", ""), p.get("value", "")) for p in element.iter("property"))
    for tag in (*_FAILURES, *_RERUNS):
        found = element.find(tag)
        if found is not None:
            return TestCase(identity, "failed", _said(found), properties)
    if element.find("skipped") is not None:
        return TestCase(identity, "skipped", "", properties)
    if _word(element) in _BROKEN:
        return TestCase(identity, "failed", f"its status is {_word(element)}", properties)
    if _word(element) in _NOT_RUN:
        return TestCase(identity, "skipped", "", properties)
    for tag in _FLAKY:
        found = element.find(tag)
        if found is not None:
            return TestCase(
                identity, "passed", f"passed after an attempt that failed: {_said(found)}", properties, True
            )
    return TestCase(identity, "passed", "", properties)


def _word(element: ElementTree.Element) -> str:
    """Return the word of the test's status or result that says that it did not pass, else an empty text."""
    words = [(element.get(key) or "").lower() for key in ("status", "result")]
    return next((word for word in words if word in _BROKEN), next((word for word in words if word in _NOT_RUN), ""))


def _said(found: ElementTree.Element) -> str:
    lines = (found.get("message") or found.text or "").strip().splitlines()
    return lines[0] if lines else found.tag


def _count(name: str, suite: ElementTree.Element, key: str) -> int:
    value = suite.get(key) or "0"
    if not value.isdecimal():
        raise Malformed(f"{name}: {key} is {value!r}, not a count")
    return int(value)

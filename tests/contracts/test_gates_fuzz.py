"""Every reader against mutations of real forms: cut, emptied, of another form.  DAWSOS_FUZZ is the number of examples of each.

A report with a failure in it stays one that blocks, whatever is cut from it; what is of another form never passes.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.readers.test_advisories import LEFT_LOCK, LOCK, NPM_6, SCANNER
from gates.readers.test_reports import REPORTS
from gates.samples import CASES, ask, encoded

EXAMPLES = int(os.environ.get("DAWSOS_FUZZ", "60"))
OPTIONS: dict[str, dict[str, Any]] = {kind: dict(case.options) for kind, case in CASES.items()}
# Reports of which each holds something bad: kind of gate, the file that is mutated, all files, options.
BAD: list[tuple[Any, str, dict[str, bytes], dict[str, Any]]] = [
    *(
        (kind, next(iter(case.bad)), encoded(case.bad), OPTIONS[kind])
        for kind, case in CASES.items()
        if kind not in ("findings", "flaky")
    ),
    *(("findings", "f", {"f": text.encode()}, {"files": "f"}) for text, _ in REPORTS.values()),
]
for source, report, lock in (("npm-audit", NPM_6, LEFT_LOCK), ("osv", SCANNER, LOCK)):
    files = encoded({"f": report, "lock": lock, "context.json": CASES["vulnerabilities"].bad["context.json"]})
    BAD.append(("vulnerabilities", "f", files, {"sources": {source: "f"}, "resolved": "lock"}))
FOREIGN = [content for case in CASES.values() for content in encoded(case.good).values()]
FOREIGN += [text.encode() for text, _ in REPORTS.values()]
FOREIGN += [b"<html><body>504</body></html>", b"usage: tool [options]\n", json.dumps({"error": "no"}).encode()]

# Kinds that read one form: tests, packages, a number of bytes.
SHARED = ({"junit", "pass_rate", "flaky"}, {"sbom", "licences"}, {"size", "image"})
OWN = {kind: set(encoded(case.good).values()) for kind, case in CASES.items()}

bad = st.sampled_from(BAD)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(bad, st.data())
def test_what_is_cut_or_has_a_hole_never_passes(
    case: tuple[Any, str, dict[str, bytes], Any], data: st.DataObject
) -> None:
    kind, name, evidence, options = case
    content = evidence[name].rstrip()
    end = data.draw(st.integers(1, len(content) - 1))
    verdict = ask(kind, evidence | {name: content[:end]}, **options)
    assert not verdict.passed, (kind, content[:end], verdict)


@settings(max_examples=EXAMPLES, deadline=None)
@given(bad, st.binary(max_size=6), st.data())
def test_bytes_in_the_midst_are_an_answer(
    case: tuple[Any, str, dict[str, bytes], Any], extra: bytes, data: st.DataObject
) -> None:
    kind, name, evidence, options = case
    content = evidence[name]
    place = data.draw(st.integers(0, len(content)))
    verdict = ask(kind, evidence | {name: content[:place] + extra + content[place:]}, **options)
    assert verdict.message


# The gate findings tells forms apart by itself, threshold reads a number in any JSON: whose p95 it is nobody can tell.
@pytest.mark.parametrize("kind", sorted(set(CASES) - {"findings", "threshold"}))
def test_a_file_of_another_form_never_passes(kind: Any) -> None:
    good = encoded(CASES[kind].good)
    own = {
        text
        for other in CASES
        if other == kind or any({kind, other} <= group for group in SHARED)
        for text in OWN[other]
    }
    for content in FOREIGN:
        if content not in own:
            verdict = ask(kind, dict.fromkeys(good, content), **OPTIONS[kind])
            assert not verdict.passed, (kind, content, verdict)


@pytest.mark.parametrize("kind", sorted(set(CASES) - {"findings"}))
@pytest.mark.parametrize("content", [b"", b"\n", b" ", b"\xef\xbb\xbf", b"{}", b"[]", b"null"])
def test_a_file_that_was_emptied_never_passes(kind: Any, content: bytes) -> None:
    good = encoded(CASES[kind].good)
    assert not ask(kind, dict.fromkeys(good, content), **OPTIONS[kind]).passed

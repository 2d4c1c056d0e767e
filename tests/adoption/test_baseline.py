"""What a first run found becomes exceptions that the very gates accept, until their day and no further."""

from __future__ import annotations

import json
from datetime import date

import pytest
from ruamel.yaml import YAML

from dawsos.adoption.baseline import QUARANTINE, WAIVERS, Baseline, quarantine_text, read, waivers_text
from dawsos.gates import GATES
from dawsos.model.verdicts import GateKindName, GateVerdict

UNTIL = date(2026, 12, 31)
BEFORE, AFTER = 1796000000.0, 1799000000.0  # 2026-11-29, 2027-01-03
RUFF = json.dumps([
    {"code": "F401", "message": "unused", "filename": "shop/a.py", "location": {"row": row, "column": 1}} for row in (1, 2)
]).encode()  # fmt: skip
BANDIT = json.dumps({
    "errors": [], "metrics": {"_totals": {}, "shop/a.py": {}},
    "results": [{"filename": "shop/a.py", "line_number": 3, "issue_severity": "HIGH", "test_id": "B602", "issue_text": "shell: True"}],
}).encode()  # fmt: skip
SECRETS = json.dumps({
    "scanned": {"commits": 1, "files": 1},
    "secrets": [{"path": "shop/a.py", "line": 1, "kind": "AWS Access Key", "fingerprint": "0badc0ffee01", "length": 20}],
}).encode()  # fmt: skip
FAILED = b'<testcase classname="tests.t" name="test_a"><failure message="1 == 2"/></testcase>'
JUNIT = b'<testsuite tests="1" failures="1">' + FAILED + b"</testsuite>"
AUDIT = json.dumps({
    "dependencies": [{"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3"], "aliases": []}]}]
}).encode()  # fmt: skip

# (kind, options without exceptions, evidence, file and option of the exceptions)
RED: list[tuple[GateKindName, dict[str, object], dict[str, bytes], tuple[str, str]]] = [
    ("findings", {"tools": {"ruff": "ruff.json"}}, {"ruff.json": RUFF}, (WAIVERS, "waivers")),
    ("scan", {}, {"bandit.json": BANDIT}, (WAIVERS, "waivers")),
    ("secrets", {}, {"secrets.json": SECRETS}, (WAIVERS, "waivers")),
    ("junit", {}, {"junit.xml": JUNIT}, (QUARANTINE, "quarantine")),
    ("vulnerabilities", {"sources": {"pip-audit": "audit.json"}},
     {"audit.json": AUDIT, "requirements.txt": b"jinja2==2.0 --hash=sha256:" + b"a" * 64}, (WAIVERS, "waivers")),
]  # fmt: skip


def judged(kind: GateKindName, options: dict[str, object], evidence: dict[str, bytes], now: float) -> GateVerdict:
    context = json.dumps({"at": now, "profile": "laptop"}).encode()
    gate = GATES[kind]
    found = gate.evaluate(gate.options.model_validate(options), {**evidence, "context.json": context})
    return GateVerdict(
        kind, kind, found.result, found.measured, found.limit, found.message, found.evidence, found.findings, places=found.places
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "evidence", "exceptions"), RED, ids=[row[0] for row in RED])
def test_what_was_red_passes_with_the_baseline_until_its_day_and_is_red_again_after_it(
    kind: GateKindName, options: dict[str, object], evidence: dict[str, bytes], exceptions: tuple[str, str]
) -> None:
    first = judged(kind, options, evidence, BEFORE)
    assert first.result == "fail"
    baseline = read([first])
    assert baseline.count == len(first.findings)
    name, option = exceptions
    text = waivers_text(baseline, "Ada", UNTIL) if option == "waivers" else quarantine_text(baseline, "Ada", UNTIL)
    with_lists = {**evidence, name: text.encode()}
    second = judged(kind, {**options, option: name}, with_lists, BEFORE)
    assert second.result == "pass", second
    # It is there, and shown with who answers for it.
    assert all("Ada" in line for line in second.findings)
    assert judged(kind, {**options, option: name}, with_lists, AFTER).result == "fail"


def test_a_new_finding_beside_those_of_the_baseline_is_red() -> None:
    baseline = read([judged("findings", RED[0][1], RED[0][2], BEFORE)])
    assert baseline.findings == {"shop/a.py: F401": 2}
    listed = {WAIVERS: waivers_text(baseline, "Ada", UNTIL).encode()}
    options = {**RED[0][1], "waivers": WAIVERS}
    more = json.loads(RUFF)
    changes = ({"code": "F811"}, {"filename": "shop/b.py"}, {"location": {"row": 9, "column": 1}})
    for another in ({**more[0], **change} for change in changes):
        evidence = {"ruff.json": json.dumps([*more, another]).encode(), **listed}
        assert judged("findings", options, evidence, BEFORE).result == "fail"
    moved = [{**one, "location": {"row": 40 + index, "column": 5}} for index, one in enumerate(more)]
    assert judged("findings", options, {"ruff.json": json.dumps(moved).encode(), **listed}, BEFORE).result == "pass"


def test_the_limit_of_coverage_is_what_was_measured_rounded_down() -> None:
    verdict = GateVerdict("coverage", "coverage", "fail", "61.97 % total", "80 % total", "")
    assert read([verdict]).coverage == 61
    assert read([]) == Baseline({})


def test_what_was_not_judged_is_no_exception() -> None:
    for result in ("no_data", "error"):
        verdict = GateVerdict("junit", "junit", result, "", "", "", findings=("t::a: failed",))
        assert read([verdict]).count == 0


def test_any_text_is_a_text_in_the_lists() -> None:
    baseline = Baseline({"a\"b.py: it's: #1 {x}": 1}, tests=("tests.t::test_a[1: 2]",))
    (waiver,) = YAML(typ="safe").load(waivers_text(baseline, "no", UNTIL))
    assert (waiver["id"], waiver["by"], waiver["until"]) == ("a\"b.py: it's: #1 {x}", "no", UNTIL)
    (test,) = YAML(typ="safe").load(quarantine_text(baseline, "Ada", UNTIL))
    assert test["test"] == "tests.t::test_a[1: 2]"
    assert YAML(typ="safe").load(waivers_text(Baseline({}), "Ada", UNTIL)) == []

"""Advisories: one model for five tools, and each says first what it audited."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gates.samples import ask, context

LOCK = "jinja2==2.10 --hash=sha256:aa\n"
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "name": "jinja2", "versionInfo": "2.10",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/jinja2@2.10"}],
        }
    ],
}  # fmt: skip
NPM_LOCK = {"lockfileVersion": 3, "packages": {"": {"name": "web"}, "node_modules/lodash": {"version": "4.17.20"}}}
NPM: dict[str, Any] = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "lodash": {
            "name": "lodash", "severity": "high",
            "via": [{"source": 1, "url": "https://github.com/advisories/GHSA-35jh-r3h4-6jhm", "severity": "high"}, "other"],
        }
    },
    "metadata": {"dependencies": {"prod": 1, "total": 1}},
}  # fmt: skip
# What npm 11 wrote when the registry refused the question.
NPM_REFUSED = {"message": "405 Method Not Allowed - POST", "statusCode": 405, "error": {"summary": "", "detail": ""}}
TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "Results": [
        {
            "Target": "site", "Packages": [{"Name": "Jinja2", "Version": "2.10"}],
            "Vulnerabilities": [
                {"VulnerabilityID": "CVE-2019-10906", "PkgName": "Jinja2", "InstalledVersion": "2.10", "FixedVersion": "2.10.1",
                 "Severity": "HIGH"}
            ],
        }
    ],
}  # fmt: skip
GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": "GHSA-462w-v97r-4m45", "severity": "High", "fix": {"versions": ["2.10.1"], "state": "fixed"}},
            "artifact": {"name": "jinja2", "version": "2.10", "type": "python"},
        }
    ],
    "descriptor": {"name": "grype", "db": {"status": {"built": "2026-11-24T06:00:00Z", "valid": True}}},
}  # fmt: skip
OSV = {
    "data": {"file": "pypi.jsonl.gz", "modified": "2026-11-24T06:00:00Z"},
    "audited": {"jinja2": "2.10"},
    "vulnerabilities": [
        {
            "package": "jinja2",
            "version": "2.10",
            "id": "PYSEC-2019-217",
            "severity": "UNKNOWN",
            "aliases": ["CVE-2019-10906"],
        }
    ],
}


def grype_of(status: dict[str, Any]) -> dict[str, Any]:
    """Return a report without matches of a database that was built in time, and of which ``status`` says more."""
    return {"matches": [], "descriptor": {"db": {"status": {"built": "2026-11-24T06:00:00Z", **status}}}}


def check(source: str, report: Any, resolved: Any = LOCK, **options: Any) -> Any:
    evidence = {"report.json": report, "resolved": resolved, "context.json": context()}
    return ask("vulnerabilities", evidence, sources={source: "report.json"}, resolved="resolved", **options)


@pytest.mark.parametrize(
    ("source", "report", "resolved", "line"),
    [
        ("npm-audit", NPM, NPM_LOCK, "lodash 4.17.20: GHSA-35jh-r3h4-6jhm (HIGH)"),
        ("trivy", TRIVY, SPDX, "jinja2 2.10: CVE-2019-10906 (HIGH); fixed in 2.10.1"),
        ("grype", GRYPE, SPDX, "jinja2 2.10: GHSA-462w-v97r-4m45 (HIGH); fixed in 2.10.1"),
        ("osv", OSV, LOCK, "jinja2 2.10: PYSEC-2019-217"),
    ],
)
def test_each_source_finds_it(source: str, report: Any, resolved: Any, line: str) -> None:
    verdict = check(source, report, resolved)
    assert (verdict.result, verdict.measured) == ("fail", "1 vulnerable, 1 of 1 audited")
    assert verdict.findings == (line,)


@pytest.mark.parametrize(
    ("source", "report", "resolved", "words"),
    [
        ("npm-audit", NPM_REFUSED, NPM_LOCK, "the registry's audit failed: 405 Method Not Allowed"),
        (
            "npm-audit",
            NPM | {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 0}}},
            NPM_LOCK,
            "audited 0 packages",
        ),
        ("trivy", {"SchemaVersion": 2}, SPDX, "--list-all-pkgs"),
        ("grype", {"matches": [], "descriptor": {"db": {"status": {"valid": False, "error": "no db"}}}}, SPDX, "no db"),
        ("grype", {"matches": [], "descriptor": {}}, SPDX, "no valid database"),
        ("grype", grype_of({"valid": "false"}), SPDX, "no valid database"),
        ("grype", grype_of({"error": "checksum differs"}), SPDX, "checksum differs"),
        ("osv", OSV | {"audited": {}, "vulnerabilities": []}, LOCK, "not in the report"),
        ("pip-audit", "", LOCK, "left an empty report"),
    ],
)
def test_a_source_that_audited_nothing_is_not_clean(source: str, report: Any, resolved: Any, words: str) -> None:
    verdict = check(source, report, resolved)
    assert (verdict.result, verdict.measured) == ("no_data", "0 vulnerable, 0 of 1 audited")
    assert words in verdict.message


def test_old_data_audits_nothing_and_says_how_old_it_is() -> None:
    old = OSV | {"vulnerabilities": [], "data": {"modified": "2026-11-01T00:00:00Z"}}
    verdict = check("osv", old)
    assert verdict.result == "no_data"
    assert "data of 2026-11-01 is 24 days old" in verdict.message
    young = check("osv", OSV | {"vulnerabilities": []})
    assert young.passed
    # After that time production refuses a release that was audited with this data.
    assert young.valid_until == datetime(2026, 12, 1, 6, tzinfo=UTC).timestamp()


def test_data_of_a_day_that_is_still_to_come_audits_nothing() -> None:
    """Its age would never be over the limit."""
    verdict = check("osv", OSV | {"vulnerabilities": [], "data": {"modified": "2099-01-01T00:00:00Z"}})
    assert verdict.result == "no_data"
    assert "data of 2099-01-01 is dated after this evaluation" in verdict.message


def test_a_report_that_does_not_know_the_version_audits_nothing() -> None:
    assert check("osv", OSV | {"vulnerabilities": [], "audited": {"jinja2": "?"}}).result == "no_data"


def test_the_laptop_may_be_warned_and_production_may_not() -> None:
    evidence = {"report.json": "", "resolved": LOCK}
    options = {"sources": {"pip-audit": "report.json"}, "resolved": "resolved", "not_audited": "warn"}
    laptop = ask("vulnerabilities", evidence | {"context.json": context("laptop")}, **options)
    assert laptop.passed
    assert laptop.message.startswith("warning: NOT AUDITED 1 (jinja2)")
    assert ask("vulnerabilities", evidence | {"context.json": context("production")}, **options).result == "no_data"


def waiver(subject: str, until: str, **more: str) -> str:
    return f"- {{id: {subject}, package: jinja2, by: Ada, why: sandboxed, until: {until}}}\n"


@pytest.mark.parametrize("subject", ["PYSEC-2019-217", "CVE-2019-10906"])
def test_a_waiver_covers_a_finding_by_any_of_its_names_until_its_day(subject: str) -> None:
    evidence = {"report.json": OSV, "resolved": LOCK, "context.json": context()}
    options = {"sources": {"osv": "report.json"}, "resolved": "resolved", "waivers": "w.yaml"}
    verdict = ask("vulnerabilities", evidence | {"w.yaml": waiver(subject, "2026-11-26")}, **options)
    assert verdict.passed
    assert verdict.measured == "0 vulnerable, 1 of 1 audited, 1 waived"
    assert "waived until 2026-11-26 by Ada: sandboxed" in verdict.findings[0]
    assert verdict.valid_until == pytest.approx(datetime(2026, 11, 27, tzinfo=UTC).timestamp(), abs=1e-3)
    # NOW is of the 25th: a waiver holds on its own day, and the day after the finding says whose waiver expired.
    assert ask("vulnerabilities", evidence | {"w.yaml": waiver(subject, "2026-11-25")}, **options).passed
    late = ask("vulnerabilities", evidence | {"w.yaml": waiver(subject, "2026-11-24")}, **options)
    line = "jinja2 2.10: PYSEC-2019-217 (its waiver by Ada expired on 2026-11-24)"
    assert (late.result, late.message, late.findings) == ("fail", line, (line,))


def test_what_nobody_can_audit_may_be_waived_by_name() -> None:
    evidence = {
        "report.json": "",
        "resolved": LOCK,
        "context.json": context(),
        "w.yaml": waiver("NOT-AUDITED", "2026-12-31"),
    }
    verdict = ask(
        "vulnerabilities", evidence, sources={"pip-audit": "report.json"}, resolved="resolved", waivers="w.yaml"
    )
    assert (verdict.result, verdict.measured) == ("pass", "0 vulnerable, 0 of 1 audited, 1 waived")


@pytest.mark.parametrize(
    "text",
    ["{", "a: 1", "- 1", "- {id: X}", "- {id: X, by: A, why: w, until: soon}", "- {id: X, by: '', why: w, until: 2026-12-31}",
     "- {id: X, by: A, why: w, until: 2026-12-31T10:00:00}", "- {id: X, by: A, why: w, until: 2026-12-31, owner: B}"],
)  # fmt: skip
def test_a_waiver_that_lacks_who_why_or_until_is_an_error(text: str) -> None:
    evidence = {"report.json": OSV, "resolved": LOCK, "context.json": context(), "w.yaml": text}
    verdict = ask("vulnerabilities", evidence, sources={"osv": "report.json"}, resolved="resolved", waivers="w.yaml")
    assert verdict.result == "error"
    assert "w.yaml" in verdict.message


def test_two_sources_that_know_the_same_one_count_it_once_and_cover_for_each_other() -> None:
    evidence = {"a.json": OSV, "b.json": TRIVY, "resolved": SPDX, "context.json": context()}
    verdict = ask("vulnerabilities", evidence, sources={"osv": "a.json", "trivy": "b.json"}, resolved="resolved")
    assert verdict.measured == "1 vulnerable, 1 of 1 audited"
    low = {
        **TRIVY,
        "Results": [
            {
                **TRIVY["Results"][0],
                "Vulnerabilities": [{"VulnerabilityID": "C", "PkgName": "jinja2", "Severity": "LOW"}],
            }
        ],
    }
    assert check("trivy", low, SPDX).measured == "0 vulnerable, 1 of 1 audited, 1 below the limit"


@pytest.mark.parametrize(("first", "second"), [("LOW", "CRITICAL"), ("CRITICAL", "LOW"), ("HIGH", "UNKNOWN")])
def test_of_two_sources_that_rate_the_same_one_the_higher_rating_counts(first: str, second: str) -> None:
    rated = {"package": "jinja2", "version": "2.10", "id": "PYSEC-2019-217", "aliases": ["CVE-2019-10906"]}
    theirs = {"VulnerabilityID": "CVE-2019-10906", "PkgName": "jinja2", "InstalledVersion": "2.10", "Severity": second}
    evidence = {
        "a.json": OSV | {"vulnerabilities": [{**rated, "severity": first}]},
        "b.json": {"Results": [{"Packages": [{"Name": "jinja2", "Version": "2.10"}], "Vulnerabilities": [theirs]}]},
        "resolved": LOCK, "context.json": context(),
    }  # fmt: skip
    verdict = ask("vulnerabilities", evidence, sources={"osv": "a.json", "trivy": "b.json"}, resolved="resolved")
    assert (verdict.result, len(verdict.findings)) == ("fail", 1)


def test_a_vulnerability_that_a_later_source_rates_is_still_waived_by_the_name_of_the_first() -> None:
    waiver = "- {id: PYSEC-2019-217, by: a, why: not reached, until: 2099-01-01}"
    evidence = {"a.json": OSV, "b.json": TRIVY, "resolved": LOCK, "context.json": context(), "w.yaml": waiver}
    options = {"sources": {"osv": "a.json", "trivy": "b.json"}, "resolved": "resolved", "waivers": "w.yaml"}
    assert ask("vulnerabilities", evidence, **options).passed


@pytest.mark.parametrize(
    "facts",
    [{"name": "lodash"}, {"via": None}, {"via": []}, {"via": [7]}, {"via": ["other"]}, {"via": ["lodash"]}, "x", None],
)
def test_a_package_that_npm_calls_vulnerable_without_saying_by_what_is_no_clean_one(facts: Any) -> None:
    assert check("npm-audit", NPM | {"vulnerabilities": {"lodash": facts}}, NPM_LOCK).result == "error"


def test_a_package_that_depends_on_a_vulnerable_one_is_counted_with_it() -> None:
    entries = {**NPM["vulnerabilities"], "grunt": {"via": ["lodash"]}}
    assert check("npm-audit", NPM | {"vulnerabilities": entries}, NPM_LOCK).measured.startswith("1 vulnerable")


@pytest.mark.parametrize("listed", [{}, "", False, 0])
def test_trivy_s_vulnerabilities_that_are_no_array_are_no_clean_package(listed: Any) -> None:
    report = {"Results": [{**TRIVY["Results"][0], "Vulnerabilities": listed}]}
    assert check("trivy", report, SPDX).result == "error"
    assert check("trivy", {"Results": [{**TRIVY["Results"][0], "Vulnerabilities": None}]}, SPDX).passed


def test_npm_installs_one_package_in_several_versions_and_counts_each() -> None:
    packages = {
        "node_modules/lodash": {"version": "4.17.21"},
        "node_modules/old/node_modules/lodash": {"version": "3.0.0"},
        "node_modules/old": {"version": "1.0.0"},
    }
    lock = {"lockfileVersion": 3, "packages": packages}
    report = NPM | {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 3}}}
    assert check("npm-audit", report, lock).passed
    assert check("npm-audit", report | {"metadata": {"dependencies": {"total": 4}}}, lock).result == "no_data"


def test_a_report_finds_a_package_of_npm_whose_name_has_a_dot() -> None:
    lock = {"lockfileVersion": 3, "packages": {"node_modules/lodash.merge": {"version": "4.6.1"}}}
    clean = {"Results": [{"Packages": [{"Name": "lodash.merge", "Version": "4.6.1"}]}]}
    assert check("trivy", clean, lock).passed


NPM_6: dict[str, Any] = {
    "actions": [],
    "advisories": {
        "77": {
            "id": 77, "module_name": "left-trim", "severity": "critical", "title": "code runs on parse",
            "findings": [{"version": "1.0.0", "paths": ["left-trim"]}],
        }
    },
    "metadata": {"vulnerabilities": {"critical": 1}, "totalDependencies": 1},
}  # fmt: skip
LEFT_LOCK = {"lockfileVersion": 3, "packages": {"": {"name": "demo"}, "node_modules/left-trim": {"version": "1.0.0"}}}
ADVISORY = {"type": "auditAdvisory", "data": {"advisory": NPM_6["advisories"]["77"]}}
SUMMARY = {"type": "auditSummary", "data": {"totalDependencies": 1, "vulnerabilities": {}}}
YARN_4 = {
    "value": "left-trim",
    "children": {"ID": 77, "URL": "https://x/77", "Severity": "critical", "Tree Versions": ["1.0.0"]},
}
SCANNER: dict[str, Any] = {
    "results": [
        {
            "source": {"path": "requirements.txt"},
            "packages": [
                {
                    "package": {"name": "Jinja2", "version": "2.10", "ecosystem": "PyPI"},
                    "vulnerabilities": [{"id": "GHSA-1", "aliases": ["CVE-1"]}],
                    "groups": [{"ids": ["GHSA-1"], "max_severity": "8.6"}],
                }
            ],
        }
    ]
}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("not_audited", ["block", "warn"])
@pytest.mark.parametrize(
    ("source", "report", "resolved", "line"),
    [
        ("npm-audit", NPM_6, LEFT_LOCK, "left-trim 1.0.0: 77 (CRITICAL)"),
        ("npm-audit", lines(ADVISORY, SUMMARY), LEFT_LOCK, "left-trim 1.0.0: 77 (CRITICAL)"),
        ("npm-audit", lines(ADVISORY), LEFT_LOCK, "left-trim 1.0.0: 77 (CRITICAL)"),
        ("npm-audit", lines(YARN_4), LEFT_LOCK, "left-trim 1.0.0: 77 (CRITICAL)"),
        ("osv", SCANNER, LOCK, "jinja2 2.10: GHSA-1 (HIGH)"),
        # What was found stays found, also where the report is of another lock, or the lock cannot be read.
        (
            "npm-audit",
            NPM | {"metadata": {"dependencies": {"total": 9}}},
            NPM_LOCK,
            "lodash 4.17.20: GHSA-35jh-r3h4-6jhm (HIGH)",
        ),
        ("npm-audit", NPM, "{", "lodash ?: GHSA-35jh-r3h4-6jhm (HIGH)"),
        ("osv", OSV, "# nothing", "jinja2 2.10: PYSEC-2019-217"),
    ],
)
def test_a_vulnerability_blocks_whatever_else_is_missing(
    source: str, report: Any, resolved: Any, line: str, not_audited: str
) -> None:
    verdict = check(source, report, resolved, not_audited=not_audited)
    assert (verdict.result, verdict.message) == ("fail", line)


def test_the_forms_of_yarn_and_osv_scanner_say_what_they_audited() -> None:
    assert check("npm-audit", lines(SUMMARY), LEFT_LOCK).passed
    assert check("npm-audit", NPM_6 | {"advisories": {}, "metadata": {"totalDependencies": 1}}, LEFT_LOCK).passed
    package = SCANNER["results"][0]["packages"][0]
    clean = {"results": [{"packages": [{"package": package["package"]}]}]}
    assert check("osv", clean).passed
    assert check("osv", {"results": []}).result == "no_data"
    assert check("npm-audit", lines({"type": "error", "data": "no"}), LEFT_LOCK).result == "no_data"


@pytest.mark.parametrize(
    ("source", "report"),
    [
        ("npm-audit", {}), ("npm-audit", {"dependencies": []}), ("trivy", {"vulnerabilities": {}}), ("osv", NPM), ("grype", NPM),
        ("pip-audit", NPM), ("npm-audit", NPM_6 | {"advisories": {}}), ("npm-audit", lines(ADVISORY)[:-9]),
        ("npm-audit", NPM | {"vulnerabilities": {}, "metadata": {"vulnerabilities": {"total": 2}, "dependencies": 1}}),
    ],
)  # fmt: skip
def test_a_report_of_another_tool_or_a_cut_one_is_an_error_also_where_gaps_are_a_warning(
    source: str, report: Any
) -> None:
    assert check(source, report, NPM_LOCK, not_audited="warn").result == "error"


def test_a_package_of_another_index_is_not_the_one_that_is_locked() -> None:
    report = {"Results": [{"Type": "npm", "Packages": [{"Name": "jinja2", "Version": "2.10"}]}]}
    assert check("trivy", report).result == "no_data"
    assert check("trivy", {"Results": [report["Results"][0] | {"Type": "pip"}]}).passed


def test_one_source_that_cannot_be_read_hides_nothing_that_another_found() -> None:
    evidence = {"a.json": OSV, "b.json": "{", "resolved": LOCK, "context.json": context()}
    verdict = ask("vulnerabilities", evidence, sources={"trivy": "b.json", "osv": "a.json"}, resolved="resolved")
    assert (verdict.result, verdict.message) == ("fail", "jinja2 2.10: PYSEC-2019-217")
    assert verdict.findings[-1].startswith("NOT AUDITED: b.json is not JSON")

"""Vulnerabilities: what was audited is what was resolved, and nothing of it is known to be vulnerable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dawsos.model.verdicts import GateVerdict
from gates.samples import NOW, ask, audited, context

LOCK = """\
# by a resolver
--index-url https://registry.example/simple
httpx==0.28.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via demo
Typing_Extensions==4.0 --hash=sha256:cc
colorama==0.4 ; sys_platform == "win32" --hash=sha256:dd
"""
PIP = {"pip-audit": "audit.json"}
CLEAN = audited("httpx==0.28.1", "typing-extensions==4.0")


def check(report: Any, lock: str = LOCK, **options: Any) -> Any:
    evidence = {"audit.json": report, "requirements.txt": lock, "context.json": context()}
    return ask("vulnerabilities", evidence, sources=PIP, **options)


def test_everything_locked_was_audited_and_is_clean() -> None:
    verdict = check(CLEAN)
    assert verdict.result == "pass"
    assert verdict.measured == "0 vulnerable, 2 of 2 audited"
    assert verdict.limit == "0 vulnerable, 2 of 2 audited"
    assert verdict.evidence == ("audit.json", "requirements.txt", "context.json")


def test_what_is_only_for_other_machines_may_be_absent_or_present() -> None:
    assert check(audited("httpx==0.28.1", "typing-extensions==4.0", "colorama==0.4")).passed


@pytest.mark.parametrize("not_audited", ["block", "warn"])
def test_a_vulnerability_fails_whatever_else_is_missing(not_audited: str) -> None:
    verdict = check(audited(httpx="0.28.1"), not_audited=not_audited)
    assert verdict.result == "fail"
    assert verdict.message == "httpx 0.28.1: PYSEC-1; fixed in 9.9"
    assert verdict.measured == "1 vulnerable, 1 of 2 audited"


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (audited(), "not in the report"),
        (audited("httpx==0.28.1"), "not in the report"),
        (audited("httpx==0.27.0", "typing-extensions==4.0"), "locked 0.28.1, audited 0.27.0"),
        (
            {
                "dependencies": [
                    {"name": "httpx", "skip_reason": "no data"},
                    *audited("typing-extensions==4.0")["dependencies"],
                ]
            },
            "no data",
        ),
        (audited("httpx==0.28.1", "typing-extensions==4.0", "stranger==1"), "NOT IN THE LOCK stranger 1"),
    ],
    ids=["nothing", "one", "another version", "skipped", "stranger"],
)
def test_what_was_not_audited_is_no_data_or_a_warning(report: Any, words: str) -> None:
    verdict = check(report)
    assert verdict.result == "no_data"
    assert words in verdict.message
    warned = check(report, not_audited="warn")
    assert warned.passed
    assert warned.message == f"warning: {verdict.message}"
    assert warned.unchecked


def test_a_missing_file_or_a_lock_without_pins_is_no_data() -> None:
    assert ask("vulnerabilities", {"audit.json": CLEAN}, sources=PIP).result == "no_data"
    assert ask("vulnerabilities", {"requirements.txt": LOCK}, sources=PIP).result == "no_data"
    assert check(CLEAN, "# nothing\n").result == "no_data"


@pytest.mark.parametrize(
    ("report", "lock"),
    [
        ("{", LOCK), ([], LOCK), ({}, LOCK), ({"dependencies": {}}, LOCK), ({"dependencies": ["httpx"]}, LOCK),
        ({"dependencies": [{"version": "1", "vulns": []}]}, LOCK),
        ({"dependencies": [{"name": "httpx", "version": "0.28.1"}]}, LOCK),
        ({"dependencies": [{"name": "httpx", "version": "0.28.1", "vulns": None}]}, LOCK),
        (CLEAN, "httpx>=0.28\n"), (CLEAN, "-r other.txt\n"), (CLEAN, "--requirement other.txt\n"), (CLEAN, b"\xff"),
        (CLEAN, "demo @ file:///demo\n"),
    ],
    ids=["cut", "list", "nothing", "mapping", "words", "no name", "no vulns", "null", "loose", "-r", "--requirement",
         "bytes", "address"],
)  # fmt: skip
def test_a_malformed_report_or_lock_is_an_error(report: Any, lock: Any) -> None:
    assert check(report, lock).result == "error"
    assert check(report, lock, not_audited="warn").result == "error"


WAIVER = "- {{id: {subject}, {package}by: Ada, why: sandboxed, until: {until}}}\n"


def waiver(subject: str, package: str = "", until: str = "2026-11-25") -> str:
    """Return an entry of the list of waivers; the evidence of these tests is of 2026-11-25."""
    return WAIVER.format(subject=subject, package=f"package: {package}, " if package else "", until=until)


def check_waived(report: Any, waivers: str) -> GateVerdict:
    evidence = {"audit.json": report, "requirements.txt": LOCK, "context.json": context(), "w.yaml": waivers}
    return ask("vulnerabilities", evidence, sources=PIP, waivers="w.yaml")


@pytest.mark.parametrize(
    ("waivers", "result"),
    [
        (waiver("PYSEC-1"), "pass"),
        (waiver("PYSEC-1", "HTTPX"), "pass"),
        (waiver("PYSEC-1", "typing-extensions"), "fail"),
        (waiver("PYSEC-2"), "fail"),
        (waiver("PYSEC-2", "httpx"), "fail"),
        (waiver("PYSEC-1", until="2026-11-24"), "fail"),
        ("", "fail"),
    ],
    ids=["any package", "its package", "another package", "another id", "only its package", "expired", "none"],
)
def test_a_waiver_covers_one_id_of_one_package_until_its_day(waivers: str, result: str) -> None:
    report = audited("typing-extensions==4.0", httpx="0.28.1")
    assert check_waived(report, waivers).result == result


def test_only_the_expired_waiver_of_the_finding_itself_is_named() -> None:
    report = audited("typing-extensions==4.0", httpx="0.28.1")
    (line,) = check_waived(report, waiver("PYSEC-2", until="2026-11-01")).findings
    assert line == "httpx 0.28.1: PYSEC-1; fixed in 9.9"
    (line,) = check_waived(report, waiver("PYSEC-1", until="2026-11-01")).findings
    assert line.endswith("(its waiver by Ada expired on 2026-11-01)")


@pytest.mark.parametrize(
    ("waivers", "result"),
    [
        (waiver("NOT-AUDITED", "typing-extensions"), "pass"),
        (waiver("NOT-AUDITED", "httpx"), "no_data"),
        (waiver("PYSEC-1", "typing-extensions"), "no_data"),
        (waiver("NOT-AUDITED", "typing-extensions", "2026-11-24"), "no_data"),
    ],
    ids=["its package", "another package", "another id", "expired"],
)
def test_a_package_that_was_not_audited_is_waived_by_its_name(waivers: str, result: str) -> None:
    assert check_waived(audited("httpx==0.28.1"), waivers).result == result


def test_two_vulnerabilities_of_one_package_are_two() -> None:
    report = audited("typing-extensions==4.0", httpx="0.28.1")
    report["dependencies"][-1]["vulns"].append({"id": "PYSEC-2", "fix_versions": [], "aliases": ["CVE-2"]})
    assert check(report).measured == "2 vulnerable, 2 of 2 audited"


@pytest.mark.parametrize(("count", "names"), [(3, "(p0, p1, p2):"), (4, "(p0, p1, p2 ...):")])
def test_the_message_names_three_packages_that_were_not_audited(count: int, names: str) -> None:
    lock = "".join(f"p{number}==1\n" for number in range(count))
    verdict = check(audited(), lock)
    assert verdict.message == f"NOT AUDITED {count} {names} pip-audit: not in the report"
    assert len(verdict.findings) == count


def osv(modified: str, *packages: str) -> dict[str, Any]:
    pairs = dict(package.split("==") for package in packages)
    return {"data": {"modified": modified}, "audited": pairs, "vulnerabilities": []}


def check_osv(report: Any, **options: Any) -> GateVerdict:
    evidence = {"osv.json": report, "requirements.txt": LOCK, "context.json": context()}
    return ask("vulnerabilities", evidence, sources={"osv": "osv.json"}, **options)


def test_data_of_exactly_the_greatest_age_still_counts() -> None:
    at = datetime.fromtimestamp(NOW - 3600, UTC).isoformat()
    report = osv(at, "httpx==0.28.1", "typing-extensions==4.0")
    assert check_osv(report, max_age="1h").passed
    late = check_osv(report, max_age="3599s")
    assert (late.result, late.measured) == ("no_data", "0 vulnerable, 0 of 2 audited")


def test_the_message_on_what_is_missing_names_the_date_of_the_data() -> None:
    verdict = check_osv(osv("2026-11-24T06:00:00Z", "httpx==0.28.1"))
    assert verdict.message == "NOT AUDITED 1 (typing-extensions): osv: not in the report [osv data of 2026-11-24]"

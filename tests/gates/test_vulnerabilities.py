"""Vulnerabilities: what was audited is what was resolved, and nothing of it is known to be vulnerable."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask, audited, context

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

"""Secrets: something was scanned, nothing was found, and what is waived is shown until its day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.gates.readers.context import EvaluationContext, end_of
from dawsos.model.verdicts import GateVerdict
from gates.samples import NOW, ask, context, secrets

TODAY = EvaluationContext(NOW, "laptop").day
FIRST, SECOND = (f"{number:012x}" for number in (1, 2))


def waived(*entries: tuple[str, date]) -> str:
    return "".join(f'- {{id: "{mark}", by: Ada, why: revoked, until: {day}}}\n' for mark, day in entries)


def check(report: Any, waivers: str | None = None, **options: Any) -> GateVerdict:
    if waivers is None:
        return ask("secrets", {"secrets.json": report}, **options)
    return ask(
        "secrets", {"secrets.json": report, "w.yaml": waivers, "context.json": context()}, waivers="w.yaml", **options
    )


def test_nothing_found_in_what_was_scanned() -> None:
    verdict = check(secrets())
    assert (verdict.result, verdict.measured, verdict.limit) == (
        "pass",
        "0 secrets in 3 commits, 10 files",
        "0 secrets",
    )
    assert (verdict.message, verdict.evidence, verdict.valid_until) == ("nothing found", ("secrets.json",), None)


def test_each_secret_has_its_place_and_fingerprint_and_no_more() -> None:
    verdict = check(secrets("AWS Access Key", "GitHub Token"))
    assert (verdict.result, verdict.measured) == ("fail", "2 secrets in 3 commits, 10 files")
    assert verdict.findings == (
        f"app/x.py:1: AWS Access Key 20 characters, fingerprint {FIRST}",
        f"app/x.py:2: GitHub Token 20 characters, fingerprint {SECOND}",
    )
    assert verdict.message == verdict.findings[0]
    assert [(place.tool, place.path, place.line) for place in verdict.places] == [
        ("secrets", "app/x.py", 1), ("secrets", "app/x.py", 2),
    ]  # fmt: skip


def test_a_secret_of_a_commit_names_it_and_is_no_place_in_the_files_of_today() -> None:
    report = secrets("AWS Access Key")
    report["secrets"][0] |= {"commit": "c0ffee" * 6}
    verdict = check(report)
    assert verdict.message == f"app/x.py:1: AWS Access Key 20 characters, fingerprint {FIRST} in commit c0ffeec0ffee"
    assert verdict.places == ()


def test_a_secret_without_line_and_length_is_one_all_the_same() -> None:
    report = secrets() | {"secrets": [{"kind": "Private Key", "path": "key.pem", "fingerprint": FIRST, "line": "7"}]}
    assert check(report).findings == (f"key.pem: Private Key ? characters, fingerprint {FIRST}",)


@pytest.mark.parametrize(
    ("commits", "files", "options", "message"),
    [
        (0, 10, {}, "secrets.json: 0 commits scanned, at least 1 are required"),
        (3, 0, {}, "secrets.json: 0 files scanned, at least 1 are required"),
        (3, 10, {"min_commits": 4}, "secrets.json: 3 commits scanned, at least 4 are required"),
        (3, 10, {"min_files": 11}, "secrets.json: 10 files scanned, at least 11 are required"),
        (-1, 10, {"min_commits": 0}, "secrets.json: -1 commits scanned, at least 0 are required"),
    ],
)
def test_a_scan_of_too_little_is_no_clean_one(commits: int, files: int, options: dict[str, int], message: str) -> None:
    verdict = check(secrets(commits=commits, files=files), None, **options)
    assert (verdict.result, verdict.message) == ("no_data", message)


def test_as_much_as_is_wanted_is_enough() -> None:
    assert check(secrets(commits=3, files=10), min_commits=3, min_files=10).passed
    assert check(secrets(commits=0, files=0), min_commits=0, min_files=0).passed


def test_a_waived_secret_is_shown_and_the_pass_ends_with_the_waiver() -> None:
    verdict = check(secrets("AWS Access Key"), waived((FIRST, TODAY)))
    assert (verdict.result, verdict.measured) == ("pass", "0 secrets in 3 commits, 10 files, 1 waived")
    assert verdict.findings == (
        f"app/x.py:1: AWS Access Key 20 characters, fingerprint {FIRST}, waived until {TODAY} by Ada: revoked",
    )
    assert verdict.valid_until == end_of(TODAY)
    assert verdict.places == ()
    assert verdict.evidence == ("secrets.json", "w.yaml", "context.json")


def test_an_expired_waiver_covers_nothing() -> None:
    verdict = check(secrets("AWS Access Key"), waived((FIRST, TODAY - timedelta(days=1))))
    assert (verdict.result, verdict.measured) == ("fail", "1 secrets in 3 commits, 10 files")
    assert verdict.valid_until is None


def test_a_waiver_covers_its_own_secret_and_no_other() -> None:
    verdict = check(secrets("AWS Access Key", "GitHub Token"), waived((FIRST, TODAY)))
    assert (verdict.result, verdict.measured) == ("fail", "1 secrets in 3 commits, 10 files, 1 waived")
    assert verdict.message == f"app/x.py:2: GitHub Token 20 characters, fingerprint {SECOND}"
    assert len(verdict.findings) == 2


def test_a_pass_ends_with_the_first_of_its_waivers_and_not_with_one_that_is_not_needed() -> None:
    later, last = TODAY + timedelta(days=1), TODAY + timedelta(days=9)
    entries = waived((FIRST, last), (SECOND, later), ("f" * 12, TODAY))
    assert check(secrets("AWS Access Key", "GitHub Token"), entries).valid_until == end_of(later)


@pytest.mark.parametrize("gone", ["w.yaml", "context.json"])
def test_waivers_that_are_not_there_are_no_data(gone: str) -> None:
    evidence = {"secrets.json": secrets(), "w.yaml": "", "context.json": context()}
    del evidence[gone]
    verdict = ask("secrets", evidence, waivers="w.yaml")
    assert (verdict.result, verdict.message.partition(":")[0]) == ("no_data", f"there is no {gone}")


def row(**changes: Any) -> dict[str, Any]:
    return secrets() | {"secrets": [secrets("AWS Access Key")["secrets"][0] | changes]}


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("{", "secrets.json is not JSON"),
        ([], "secrets.json is an array, not an object"),
        ({"secrets": []}, "secrets.json has no 'scanned'"),
        (secrets() | {"scanned": 3}, "secrets.json: scanned is a number, not an object"),
        (secrets() | {"scanned": {"commits": 1}}, "secrets.json: scanned has no 'files'"),
        (secrets() | {"scanned": {"commits": "1", "files": 1}}, "secrets.json: scanned: commits is '1', not a number"),
        ({"scanned": {"commits": 1, "files": 1}}, "secrets.json has no 'secrets'"),
        (secrets() | {"secrets": {}}, "secrets.json: secrets is an object, not an array"),
        (secrets() | {"secrets": ["key"]}, "secrets.json: secrets[0] is a text, not an object"),
        (secrets() | {"secrets": [{}]}, "secrets.json has no 'fingerprint'"),
        (row(fingerprint=""), "secrets.json: fingerprint is '', not a text"),
        (row(fingerprint=7), "secrets.json: fingerprint is 7, not a text"),
        (secrets() | {"secrets": [{"fingerprint": FIRST}]}, "secrets.json has no 'kind'"),
        (secrets() | {"secrets": [{"fingerprint": FIRST, "kind": "x"}]}, "secrets.json has no 'path'"),
    ],
)
def test_a_malformed_report_is_an_error_that_says_what_and_where(report: Any, message: str) -> None:
    verdict = check(report)
    assert verdict.result == "error"
    assert message in verdict.message


def test_malformed_waivers_are_an_error_even_when_nothing_was_found() -> None:
    verdict = check(secrets(), "- {id: x}")
    assert (verdict.result, verdict.message) == (
        "error", "w.yaml, entry 1 has no by: an exception needs id, by, why and until",
    )  # fmt: skip


@settings(deadline=None)
@given(left=st.integers(-400, 400))
def test_a_waiver_covers_up_to_its_day_and_never_past_it(left: int) -> None:
    verdict = check(secrets("AWS Access Key"), waived((FIRST, TODAY + timedelta(days=left))))
    assert verdict.passed is (left >= 0)
    assert verdict.valid_until is None or verdict.valid_until >= NOW

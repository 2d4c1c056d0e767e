"""Coverage: counted over lines and branches, never averaged over rates."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dawsos.gates.coverage import Options
from gates.samples import ask, cobertura


def test_enough_in_total_and_in_each_part() -> None:
    report = cobertura({"core/a.py": [1] * 10, "api/b.py": [1] * 9 + [0]})
    verdict = ask("coverage", {"coverage.xml": report}, total=95, modules={"app/core": 98, "app/api": 90})
    assert verdict.result == "pass"
    assert verdict.measured == "95.00 % total; app/core 100.00 %, app/api 90.00 %"
    assert verdict.limit == "95 % total; app/core 98 %, app/api 90 %"
    assert verdict.evidence == ("coverage.xml",)


def test_too_little_in_total_names_the_lines() -> None:
    verdict = ask("coverage", {"coverage.xml": cobertura({"a.py": [1, 0, 0, 1, 0]})}, total=50)
    assert verdict.result == "fail"
    assert verdict.message == "total 40.00 % < 50 %"
    assert verdict.findings == ("app/a.py: 40.00 %, not covered: 2-3, 5",)


def test_enough_in_total_but_not_in_one_part_fails() -> None:
    report = cobertura({"core/a.py": [0], "api/b.py": [1] * 99})
    verdict = ask("coverage", {"coverage.xml": report}, total=95, modules={"app/core": 98})
    assert (verdict.result, verdict.message) == ("fail", "app/core 0.00 % < 98 %")


def test_a_part_is_a_folder_and_not_a_beginning_of_its_name() -> None:
    report = cobertura({"core/a.py": [1], "core_old/b.py": [0]})
    verdict = ask("coverage", {"coverage.xml": report}, total=0, modules={"app/core": 100, "core/a.py": 100})
    assert verdict.passed


def test_a_large_file_weighs_more_than_a_small_one() -> None:
    report = cobertura({"small.py": [1], "large.py": [0] * 99})
    assert ask("coverage", {"coverage.xml": report}, total=50).measured == "1.00 % total"


def test_a_branch_not_taken_is_not_covered() -> None:
    report = cobertura({"a.py": [1, 1]}, branch="50% (1/2)")
    verdict = ask("coverage", {"coverage.xml": report}, total=90)
    assert (verdict.result, verdict.measured) == ("fail", "75.00 % total")
    assert verdict.findings == ("app/a.py: 75.00 %, not covered: 1",)


def test_what_is_below_the_limit_never_reads_as_the_limit() -> None:
    report = cobertura({"a.py": [1] * 9_499 + [0] * 501})
    verdict = ask("coverage", {"coverage.xml": report}, total=95)
    assert (verdict.result, verdict.measured) == ("fail", "94.99 % total")


@pytest.mark.parametrize("covered", range(0, 61, 3))
def test_exactly_the_limit_passes(covered: int) -> None:
    report = cobertura({"a.py": [1] * covered + [0] * (60 - covered)})
    assert ask("coverage", {"coverage.xml": report}, total=covered * 5 / 3).passed


@pytest.mark.parametrize(
    ("report", "options"),
    [
        (cobertura({}), {}),
        (cobertura({"a.py": []}), {}),
        (cobertura({"api/a.py": [1]}), {"modules": {"app/core": 98}}),
    ],
    ids=["no file", "no line", "nothing of a part"],
)
def test_what_was_not_measured_is_no_data(report: str, options: dict[str, object]) -> None:
    assert ask("coverage", {"coverage.xml": report}, total=0, **options).result == "no_data"
    assert ask("coverage", {}, total=0).result == "no_data"


@pytest.mark.parametrize(
    "report",
    [
        "",
        "<coverage>",
        "<report/>",
        cobertura({"a.py": [1]}).replace('hits="1"', 'hits="often"'),
        cobertura({"a.py": [1]}).replace('number="1"', ""),
        cobertura({"a.py": [1, 0]}, branch="900% (9/1)"),
        cobertura({"a.py": [1, 1]}, branch="50%"),
        cobertura({"a.py": [1, 1]}, branch="50% (1/2)").replace("condition-coverage", "conditions"),
    ],
    ids=[
        "empty",
        "cut",
        "another root",
        "hits",
        "number",
        "more branches taken than there are",
        "no branches",
        "branches not named",
    ],
)
def test_a_malformed_report_is_an_error(report: str) -> None:
    verdict = ask("coverage", {"coverage.xml": report}, total=95)
    assert verdict.result == "error"
    assert "coverage.xml" in verdict.message


def test_a_line_with_zero_hits_is_not_covered_however_the_zero_is_written() -> None:
    report = cobertura({"a.py": [1, 0]}).replace('hits="0"', 'hits="00"')
    assert ask("coverage", {"coverage.xml": report}, total=95).measured == "50.00 % total"


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1, 101])
def test_a_limit_that_could_not_fail_or_not_pass_is_refused_for_the_total_and_for_each_part(limit: float) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"total": limit})
    with pytest.raises(ValidationError):
        Options.model_validate({"total": 95, "modules": {"app/core": limit}})


def test_of_a_part_that_is_short_only_the_files_below_the_limit_are_shown() -> None:
    report = cobertura({"a.py": [1, 0], "b.py": [0, 0]})
    verdict = ask("coverage", {"coverage.xml": report}, total=50)
    assert verdict.findings == ("app/b.py: 0.00 %, not covered: 1-2",)


@pytest.mark.parametrize("word", ["True", "TRUE", "1", "true"])
def test_branches_count_however_true_is_written(word: str) -> None:
    report = cobertura({"Cart.cs": [5, 5]}, branch="50% (1/2)").replace('branch="true"', f'branch="{word}"')
    assert ask("coverage", {"coverage.xml": report}, total=95).measured == "75.00 % total"


def test_branches_that_are_counted_and_not_shown_or_not_understood_are_an_error() -> None:
    report = cobertura({"a.py": [1]})
    counted = ask("coverage", {"coverage.xml": report.replace("<coverage", '<coverage branches-valid="4"')}, total=95)
    assert (counted.result, "counts 4 branches" in counted.message) == ("error", True)
    odd = report.replace("hits=", 'branch="perhaps" hits=')
    assert ask("coverage", {"coverage.xml": odd}, total=95).result == "error"


def test_a_report_as_coverlet_writes_it_counts_its_branches() -> None:
    line = '<line number="{}" hits="5" branch="True" condition-coverage="50% (1/2)"/>'
    classes = (
        f'<class name="Shop.Cart" filename="Cart.cs"><methods/><lines>{line.format(3)}{line.format(4)}</lines></class>'
    )
    packages = f"<packages><package><classes>{classes}</classes></package></packages>"
    report = f'<coverage branches-covered="2" branches-valid="4">{packages}</coverage>'
    verdict = ask("coverage", {"coverage.xml": report}, total=95)
    assert (verdict.result, verdict.measured) == ("fail", "66.66 % total")

"""SBOM: there, of a known form, and not empty."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.sbom import Options
from gates.samples import ask, cyclonedx


def test_both_forms_are_read() -> None:
    verdict = ask("sbom", {"sbom.json": cyclonedx("a", "b")}, min_packages=2)
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "2 packages (CycloneDX)", "at least 2")
    assert verdict.evidence == ("sbom.json",)
    spdx = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}
    assert ask("sbom", {"sbom.json": spdx}).measured == "1 packages (SPDX)"


@pytest.mark.parametrize(
    "document",
    [cyclonedx(), cyclonedx("a"), cyclonedx("a", "a"), cyclonedx("a", ""), {"bomFormat": "CycloneDX"}],
    ids=["none", "one", "twice the same", "one without a name", "no list"],
)
def test_too_few_packages_fail(document: Any) -> None:
    verdict = ask("sbom", {"sbom.json": document}, min_packages=2)
    assert verdict.result == "fail"
    assert "did not see the dependencies" in verdict.message


def test_no_file_is_no_data() -> None:
    assert ask("sbom", {}).result == "no_data"


@pytest.mark.parametrize(
    "content", ["", "{", [], {}, {"bomFormat": "other"}, {"bomFormat": "CycloneDX", "components": {}},
                {"bomFormat": "CycloneDX", "components": ["a"]}, {"spdxVersion": "SPDX-2.3", "packages": None}],
    ids=["empty", "cut", "list", "nothing", "another form", "mapping", "words", "null"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("sbom", {"sbom.json": content}).result == "error"


@pytest.mark.parametrize("least", [0, -1])
def test_a_floor_that_nothing_can_fall_below_is_refused(least: int) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"kinds": {"pypi": least}})


def test_one_of_the_two_formats_may_be_demanded() -> None:
    evidence = {"sbom.json": cyclonedx("a")}
    assert ask("sbom", evidence, form="CycloneDX").passed
    verdict = ask("sbom", evidence, form="SPDX")
    assert (verdict.result, verdict.message) == ("error", "sbom.json is CycloneDX, SPDX is wanted")


def test_each_kind_of_package_has_a_minimum_of_its_own() -> None:
    document = {"bomFormat": "CycloneDX", "components": [{"name": n, "purl": f"pkg:pypi/{n}@1"} for n in "ab"]}
    enough = ask("sbom", {"sbom.json": document}, kinds={"pypi": 2})
    assert (enough.result, enough.measured) == ("pass", "2 packages (CycloneDX): 2 pypi")
    assert enough.limit == "at least 1, 2 pypi"
    short = ask("sbom", {"sbom.json": document}, kinds={"pypi": 3, "deb": 1})
    assert short.result == "fail"
    assert [line.partition(":")[0] for line in short.findings] == ["only 2 pypi packages", "only 0 deb packages"]


def test_every_locked_package_is_in_the_report() -> None:
    evidence = {"sbom.json": cyclonedx("Typing_Extensions", "more"), "lock.txt": "typing-extensions==4.1\n"}
    whole = ask("sbom", evidence, resolved="lock.txt")
    assert (whole.result, whole.limit) == ("pass", "at least 1, every locked package")
    assert whole.evidence == ("sbom.json", "lock.txt")
    lacks = ask("sbom", evidence | {"lock.txt": "typing-extensions==4.1\nlark==1.3.1\n"}, resolved="lock.txt")
    assert (lacks.result, lacks.measured) == ("fail", "2 packages (CycloneDX), 1 missing")
    assert lacks.findings == ("lark 1.3.1 is locked and not listed",)


def test_the_smallest_minimum_is_one() -> None:
    assert Options(min_packages=1, kinds={"pypi": 1}).min_packages == 1
    with pytest.raises(ValidationError):
        Options(min_packages=0)

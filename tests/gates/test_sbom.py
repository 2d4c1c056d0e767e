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


def part(name: str, version: str, kind: str = "pypi") -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:{kind}/{name}@{version}"}


@pytest.mark.parametrize(
    ("component", "result"),
    [
        (part("weblib", "9.9"), "pass"),
        (part("weblib", "9.9.0"), "pass"),
        (part("weblib", "1.0"), "fail"),
        (part("weblib", "9.9", "npm"), "fail"),
        ({"name": "weblib", "version": "9.9"}, "pass"),
    ],
    ids=["the same", "the same, written otherwise", "another version", "another index", "of no index"],
)
def test_a_locked_package_is_listed_in_its_version_and_on_its_index(component: Any, result: str) -> None:
    evidence = {"sbom.json": {"bomFormat": "CycloneDX", "components": [component]}, "lock.txt": "weblib==9.9\n"}
    assert ask("sbom", evidence, resolved="lock.txt").result == result


def test_a_version_that_differs_is_named_and_one_that_is_not_told_is_a_remark() -> None:
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.7", "components": [part("weblib", "1.0")]}
    verdict = ask("sbom", {"sbom.json": bill, "lock.txt": "weblib==9.9\n"}, resolved="lock.txt")
    assert verdict.message == "weblib 9.9 is locked and 1.0 listed: the bill is of another lock"
    silent = ask("sbom", {"sbom.json": cyclonedx("weblib"), "lock.txt": "weblib==9.9\n"}, resolved="lock.txt")
    assert (silent.result, silent.unchecked) == ("pass", True)
    assert silent.measured == "1 packages (CycloneDX), 1 without a version"


def test_files_and_an_operating_system_do_not_fill_the_floor() -> None:
    listed = [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "file", "name": "/etc/x"},
        {"type": "application", "name": "requirements.txt"},
    ]
    bill = {"bomFormat": "CycloneDX", "components": listed}
    assert ask("sbom", {"sbom.json": bill}).measured == "0 packages (CycloneDX)"


def test_a_form_that_is_not_known_is_an_error() -> None:
    assert ask("sbom", {"sbom.json": cyclonedx("a") | {"specVersion": "2.0"}}).result == "error"

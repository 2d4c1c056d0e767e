"""Licences: what is forbidden never passes, what is unknown is not allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.licences import Options, allowed
from gates.samples import ask, licence


def test_allowed_licences_pass() -> None:
    verdict = ask("licences", {"licences.json": [licence("a", "MIT License"), licence("b", "Apache-2.0")]})
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "0 of 2 packages not allowed", "0 not allowed")
    assert verdict.evidence == ("licences.json",)


def test_a_forbidden_licence_is_named_and_no_reason_excuses_it() -> None:
    rows = [licence("a", "MIT"), licence("evil", "GNU General Public License v3 (GPLv3)", "2.1")]
    verdict = ask("licences", {"licences.json": rows}, listed={"evil": "we like it"})
    assert (verdict.result, verdict.measured) == ("fail", "1 of 2 packages not allowed")
    assert "evil" in verdict.message
    assert "GPLv3" in verdict.findings[0]


def test_what_is_neither_allowed_nor_forbidden_passes_only_by_name_with_a_reason() -> None:
    rows = [licence("Some_Pkg", "LGPL-3.0-only")]
    assert ask("licences", {"licences.json": rows}).result == "fail"
    verdict = ask("licences", {"licences.json": rows}, listed={"some-pkg": "linked at run time"})
    assert verdict.result == "pass"
    assert "1 listed by name" in verdict.measured
    assert "linked at run time" in verdict.findings[0]


@pytest.mark.parametrize(
    ("expression", "plainly", "listed"),
    [
        ("MIT", True, True),
        ("mit", True, True),
        ("MIT OR GPL-3.0-only", True, True),
        ("MIT AND GPL-3.0-only", False, False),
        ("MIT; BSD License", True, True),
        ("MIT; GNU General Public License v2 (GPLv2)", False, False),
        ("(MIT OR GPL-2.0) AND BSD-3-Clause", True, True),
        ("(MIT AND GPL-2.0) OR AGPL-3.0", False, False),
        ("((MIT))", True, True),
        ("Apache-2.0 WITH LLVM-exception", True, True),
        ("GPL-2.0 WITH Classpath-exception-2.0", False, False),
        ("GNU General Public License v3 or later (GPLv3+)", False, False),
        ("GPL v2 or any later version", False, False),
        ("GNU Affero General Public License v3", False, False),
        ("Server Side Public License", False, False),
        ("SSPL-1.0", False, False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False, True),
        ("GNU Library or Lesser General Public License (LGPL)", False, True),
        ("MPL-2.0", False, True),
        ("UNKNOWN", False, True),
        ("", False, True),
        ("(", False, True),
        ("MIT OR", False, True),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression: str, plainly: bool, listed: bool) -> None:
    assert allowed(expression, Options(), listed=False) is plainly
    assert allowed(expression, Options(), listed=True) is listed


def test_the_library_licence_under_its_older_name_can_be_forbidden() -> None:
    rows = [licence("a", "GNU Library or Lesser General Public License (LGPL)")]
    verdict = ask("licences", {"licences.json": rows}, forbid=["LGPL"], listed={"a": "we like it"})
    assert verdict.result == "fail"


def test_an_odd_licence_is_unknown_and_ends_no_run() -> None:
    verdict = ask("licences", {"licences.json": [licence("a", "( AND MIT")]})
    assert (verdict.result, verdict.message) == ("fail", "a 1.0: ( AND MIT (unknown)")


@pytest.mark.parametrize("row", [{"Name": "a"}, {"Name": "a", "License": None}, {"Name": "a", "License": ["MIT"]}])
def test_a_package_that_does_not_state_its_licence_is_not_allowed(row: dict[str, Any]) -> None:
    assert ask("licences", {"licences.json": [row]}).result == "fail"


def test_no_file_and_no_package_are_no_data() -> None:
    assert ask("licences", {}).result == "no_data"
    assert ask("licences", {"licences.json": []}).result == "no_data"


@pytest.mark.parametrize(
    "content", ["", "[", {}, ["MIT"], [{"License": "MIT"}]], ids=["empty", "cut", "mapping", "words", "no name"],
)  # fmt: skip
def test_a_malformed_report_is_an_error(content: Any) -> None:
    assert ask("licences", {"licences.json": content}).result == "error"


def component(name: str, purl: str, licence_id: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "purl": purl, "licenses": [{"license": {"id": licence_id}}]}


def test_packages_of_the_base_image_are_counted_and_the_rules_do_not_apply_to_them() -> None:
    listed = [
        component("httpx", "pkg:pypi/httpx@1", "BSD-3-Clause"),
        component("bash", "pkg:deb/debian/bash@5", "GPL-3.0-only"),
        component("zlib", "pkg:deb/debian/zlib@1", "Zlib"),
        component("libc", "pkg:deb/debian/libc@2", "LGPL-2.1-only"),
    ]
    verdict = ask("licences", {"licences.json": {"bomFormat": "CycloneDX", "components": listed}})
    assert verdict.result == "pass"
    assert verdict.measured == (
        "0 of 1 packages not allowed; base image: 3 packages, 1 copyleft or unknown, not checked"
    )
    assert verdict.unchecked is True
    assert ask("licences", {"licences.json": {"bomFormat": "CycloneDX", "components": listed[:1]}}).unchecked is False


def test_a_program_that_an_allowed_package_ships_has_a_licence_of_its_own() -> None:
    note = {"comment": "bundles programs: wrapper/bin/one, wrapper/bin/two"}
    package = {
        "name": "wrapper", "versionInfo": "1", "licenseConcluded": "MIT", "annotations": [note],
        "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/wrapper@1"}],
    }  # fmt: skip
    evidence = {"licences.json": {"spdxVersion": "SPDX-2.3", "packages": [package]}}
    verdict = ask("licences", evidence)
    assert verdict.result == "fail"
    assert verdict.findings == ("wrapper 1: MIT, and ships a program whose licence it does not name: wrapper/bin/one",)
    assert ask("licences", evidence, listed={"wrapper": "the program is MIT too"}).passed


def test_a_reason_and_a_forbidden_family_are_words() -> None:
    with pytest.raises(ValidationError):
        Options(listed={"x": ""})
    with pytest.raises(ValidationError):
        Options(forbid=("G",))
    assert Options(listed={"x": "y"}, forbid=("GP",)).forbid == ("GP",)


@pytest.mark.parametrize(
    "words",
    [
        "GPL-3.0-only AND LicenseRef-house-terms", "house terms; GNU General Public License v3", "GPL-3.0-only, house terms",
        "house terms AND (GPL-2.0-only OR AGPL-3.0-only)", "House/GPL",
    ],
)  # fmt: skip
def test_what_is_forbidden_never_passes_also_beside_an_unknown_part(words: str) -> None:
    verdict = ask("licences", {"licences.json": [licence("oddlib", words)]}, listed={"oddlib": "legal looked at it"})
    assert verdict.result == "fail"


@pytest.mark.parametrize("words", ["GPL-3.0-only OR LicenseRef-house-terms", "house terms", "MIT AND house terms"])
def test_an_unknown_part_that_may_be_chosen_passes_by_name(words: str) -> None:
    assert ask("licences", {"licences.json": [licence("oddlib", words)]}, listed={"oddlib": "why"}).passed
    assert not ask("licences", {"licences.json": [licence("oddlib", words)]}).passed


def test_trove_classifiers_are_licences() -> None:
    names = ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: Apache Software License"]
    two = [{"license": {"id": "Apache-2.0"}}, {"license": {"name": names[1]}}]
    listed = [
        {"name": "one", "purl": "pkg:pypi/one@1", "licenses": [{"license": {"name": names[0]}}]},
        {"name": "two", "purl": "pkg:pypi/two@1", "licenses": two},
    ]
    assert ask("licences", {"licences.json": {"bomFormat": "CycloneDX", "components": listed}}).passed
    gpl = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    assert not allowed(gpl, Options(), listed=True)
    assert not allowed("License :: OSI Approved", Options(), listed=False)


def test_rows_that_are_files_or_an_operating_system_are_no_packages() -> None:
    listed = [
        {"type": "application", "name": "requirements.txt"},
        {"type": "operating-system", "name": "debian"},
        component("one", "pkg:pypi/one@1", "MIT"),
    ]
    verdict = ask("licences", {"licences.json": {"bomFormat": "CycloneDX", "components": listed}})
    assert (verdict.result, verdict.measured) == ("pass", "0 of 1 packages not allowed")
    odd = {"type": "file", "name": "x", "licenses": [{"license": {"id": "GPL-3.0-only"}}]}
    assert not ask("licences", {"licences.json": {"bomFormat": "CycloneDX", "components": [odd]}}).passed

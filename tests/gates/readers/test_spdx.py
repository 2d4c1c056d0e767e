"""SPDX and CycloneDX: each package with its kind, its licence and the programs that it bundles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.gates.documents import Malformed
from dawsos.gates.licences import Options, allowed
from dawsos.gates.readers.spdx import BASE_KINDS, BUNDLES, SAYS, Package, read_packages
from dawsos.model.json import JsonObject


def spdx(*packages: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"spdxVersion": "SPDX-2.3", "packages": list(packages), **rest}


def one_of_spdx(**facts: Any) -> Package:
    (package,) = read_packages("sbom.json", spdx({"name": "a", **facts}))[1]
    return package


def purl(text: str) -> list[dict[str, str]]:
    return [{"referenceType": "purl", "referenceLocator": text}]


def one_of_cyclonedx(**facts: Any) -> Package:
    document: JsonObject = {"bomFormat": "CycloneDX", "components": [{"name": "a", **facts}]}
    (package,) = read_packages("sbom.json", document)[1]
    return package


def test_a_package_of_spdx_has_name_version_kind_and_licence() -> None:
    package = one_of_spdx(versionInfo="1.0", licenseDeclared="MIT", externalRefs=purl("pkg:pypi/a@1.0"))
    assert package == Package("a", "1.0", "pypi", "MIT")
    assert one_of_spdx() == Package("a", "", "generic", "NOASSERTION")


def test_a_package_of_cyclonedx_has_name_version_kind_and_licence() -> None:
    package = one_of_cyclonedx(version="1.0", licenses=[{"license": {"id": "MIT"}}], purl="pkg:npm/a@1.0")
    assert package == Package("a", "1.0", "npm", "MIT")
    assert one_of_cyclonedx() == Package("a", "", "generic", "NOASSERTION")


def test_a_component_within_another_is_a_package_too() -> None:
    inner: JsonObject = {"name": "b", "licenses": [{"license": {"id": "GPL-3.0-only"}}], "components": [{"name": "c"}]}
    document: JsonObject = {
        "bomFormat": "CycloneDX",
        "components": [{"name": "a", "components": [inner]}, {"name": "d"}],
    }
    found = read_packages("sbom.json", document)[1]
    assert [(package.name, package.licence) for package in found] == [
        ("a", "NOASSERTION"), ("b", "GPL-3.0-only"), ("c", "NOASSERTION"), ("d", "NOASSERTION"),
    ]  # fmt: skip


def test_the_form_is_told() -> None:
    assert read_packages("sbom.json", spdx()) == ("SPDX", [])
    assert read_packages("sbom.json", {"spdxVersion": "SPDX-2.3"}) == ("SPDX", [])
    assert read_packages("sbom.json", {"bomFormat": "CycloneDX"}) == ("CycloneDX", [])


@pytest.mark.parametrize(
    ("locator", "kind", "scope"),
    [
        ("pkg:deb/debian/libc6@2.36", "deb", "base"),
        ("pkg:apk/alpine/musl@1.2", "apk", "base"),
        ("pkg:rpm/fedora/glibc@2.39", "rpm", "base"),
        ("pkg:alpm/arch/glibc@2.39", "alpm", "base"),
        ("pkg:pypi/httpx@0.28.1", "pypi", "application"),
        ("https://example.org/deb/x", "generic", "application"),
        ("", "generic", "application"),
    ],
)
def test_the_kind_of_the_purl_tells_the_base_image_from_the_application(locator: str, kind: str, scope: str) -> None:
    for package in (one_of_spdx(externalRefs=purl(locator)), one_of_cyclonedx(purl=locator)):
        assert (package.kind, package.scope) == (kind, scope)
        assert (package.kind in BASE_KINDS) is (scope == "base")


def test_only_a_purl_tells_the_kind() -> None:
    references = [{"referenceType": "cpe23Type", "referenceLocator": "pkg:deb/no"}, *purl("pkg:pypi/a@1")]
    assert one_of_spdx(externalRefs=references).kind == "pypi"


def test_the_subject_of_the_document_is_no_package_of_it() -> None:
    packages = ({"name": "bundle", "SPDXID": "SPDXRef-Subject"}, {"name": "a", "SPDXID": "SPDXRef-a"})
    related = [{"relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Subject"},
               {"relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-a"}]  # fmt: skip
    for rest in ({"relationships": related}, {"documentDescribes": ["SPDXRef-Subject"]}):
        assert [one.name for one in read_packages("sbom.json", spdx(*packages, **rest))[1]] == ["a"]
    assert len(read_packages("sbom.json", spdx(*packages))[1]) == 2


@pytest.mark.parametrize(
    ("concluded", "declared", "said", "licence"),
    [
        ("MIT", "GPL-3.0-only", "", "MIT"),
        ("NOASSERTION", "MIT", "", "MIT"),
        ("NONE", "MIT", "", "MIT"),
        (None, "MIT", f"{SAYS}BSD License", "MIT"),
        ("NOASSERTION", "NOASSERTION", f"{SAYS}BSD License", "BSD License"),
        (None, "NONE", f"{SAYS}BSD License", "BSD License"),
        (None, None, "somebody wrote: MIT", "NOASSERTION"),
        (None, "NONE", None, "NONE"),
    ],
)
def test_what_was_concluded_counts_before_what_was_declared_and_that_before_the_words(
    concluded: str | None, declared: str | None, said: str | None, licence: str
) -> None:
    package = one_of_spdx(licenseConcluded=concluded, licenseDeclared=declared, licenseComments=said)
    assert package.licence == licence


def test_bundled_programs_are_those_of_every_note_of_ours() -> None:
    notes = [{"comment": f"{BUNDLES}a/bin/x, a/bin/y"}, {"comment": "looked at"}, {}, {"comment": f"{BUNDLES}a/z"}]
    assert one_of_spdx(annotations=notes).programs == ("a/bin/x", "a/bin/y", "a/z")
    assert one_of_spdx().programs == ()


@pytest.mark.parametrize(
    ("licenses", "words"),
    [
        ([{"license": {"name": "MIT License"}}], "MIT License"),
        ([{"license": {"id": "MIT", "name": "other"}}], "MIT"),
        ([{"expression": "MIT OR Apache-2.0"}], "MIT OR Apache-2.0"),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "BSD License"}}], "MIT; BSD License"),
        ([{"license": {"id": "MIT"}}, {}], "MIT; NOASSERTION"),
        ([{"license": {}}], "NOASSERTION"),
        ([], "NOASSERTION"),
    ],
)
def test_every_licence_of_a_component_is_named(licenses: list[Any], words: str) -> None:
    assert one_of_cyclonedx(licenses=licenses).licence == words


@pytest.mark.parametrize("choice", ["MIT OR GPL-3.0-only", "MIT License or BSD License"])
def test_a_forbidden_licence_beside_a_choice_is_still_forbidden(choice: str) -> None:
    """AND binds more tightly than OR, so joined by it the choice would have taken the second licence into one of its sides."""
    licenses = [{"license": {"name": choice}}, {"license": {"id": "GPL-3.0-only"}}]
    assert not allowed(one_of_cyclonedx(licenses=licenses).licence, Options(), listed=True)
    assert allowed(one_of_cyclonedx(licenses=licenses[:1]).licence, Options(), listed=False)


def test_what_has_no_name_is_no_package() -> None:
    assert read_packages("sbom.json", spdx({"name": ""}, {"versionInfo": "1"})) == ("SPDX", [])
    nameless: JsonObject = {"bomFormat": "CycloneDX", "components": [{"name": None}, {"version": "1"}]}
    assert read_packages("sbom.json", nameless) == ("CycloneDX", [])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "sbom.json is neither SPDX nor CycloneDX"),
        ({"bomFormat": "other", "components": []}, "sbom.json is neither SPDX nor CycloneDX"),
        ({"spdxVersion": "SPDX-2.3", "packages": {}}, "sbom.json: packages is an object, not an array"),
        (spdx(relationships="none"), "sbom.json: relationships is a text, not an array"),
        (spdx({"name": "a", "externalRefs": {}}), "sbom.json: externalRefs is an object, not an array"),
        (spdx({"name": "a", "externalRefs": [{"referenceType": "purl"}]}), "sbom.json has no 'referenceLocator'"),
        (spdx({"name": "a", "annotations": ["x"]}), "sbom.json: annotations[0] is a text, not an object"),
        ({"bomFormat": "CycloneDX", "components": None}, "sbom.json: components is null, not an array"),
        (
            {"bomFormat": "CycloneDX", "components": [{"name": "a", "licenses": ["MIT"]}]},
            "sbom.json: licenses[0] is a text, not an object",
        ),
        (
            {"bomFormat": "CycloneDX", "components": [{"name": "a", "licenses": [{"license": "GPL-3.0-only"}]}]},
            "sbom.json: license is a text, not an object",
        ),
        (spdx({"licenseDeclared": "GPL-3.0-only"}), "sbom.json: a package has a licence and no name"),
        (spdx({"name": "", "licenseConcluded": "MIT"}), "sbom.json: a package has a licence and no name"),
        (
            {"bomFormat": "CycloneDX", "components": [{"licenses": [{"license": {"id": "MIT"}}]}]},
            "sbom.json: a package has a licence and no name",
        ),
    ],
)
def test_what_cannot_be_read_is_malformed_and_says_what_and_where(document: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_packages("sbom.json", document)
    assert str(refused.value) == message


@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.sampled_from(["pypi", "deb", "npm", "apk"])), max_size=6))
def test_both_forms_say_the_same_of_the_same_packages(named: list[tuple[str, str]]) -> None:
    ours = spdx(*({"name": name, "externalRefs": purl(f"pkg:{kind}/x@1")} for name, kind in named))
    theirs: JsonObject = {
        "bomFormat": "CycloneDX",
        "components": [{"name": name, "purl": f"pkg:{kind}/x@1"} for name, kind in named],
    }
    found = read_packages("sbom.json", ours)[1]
    assert found == read_packages("sbom.json", theirs)[1]
    assert [(one.name, one.kind) for one in found] == named


def test_spdx_3_is_read_with_its_relations() -> None:
    package = {"type": "software_Package", "spdxId": "p", "name": "one", "software_packageVersion": "1.0"}
    graph: Any = [
        {"type": "SpdxDocument", "rootElement": ["app"]},
        {"type": "software_Package", "spdxId": "app", "name": "the subject"},
        {"type": "software_Package", "spdxId": "os", "name": "debian", "software_primaryPurpose": "operatingSystem"},
        package | {"software_packageUrl": "pkg:pypi/one@1.0"},
        {"type": "simplelicensing_LicenseExpression", "spdxId": "l", "simplelicensing_licenseExpression": "MIT"},
        {"type": "Relationship", "relationshipType": "hasDeclaredLicense", "from": "p", "to": ["l"]},
    ]
    assert read_packages("f", {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}) == (
        "SPDX",
        [Package("one", "1.0", "pypi", "MIT")],
    )

"""Packages of an SPDX or CycloneDX bill of materials, each with its kind (pypi, deb, npm ...), licence and what it bundles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dawsos.gates.documents import Malformed, get, get_text, mapping, optional_rows, rows
from dawsos.model.json import Json, JsonObject

# Kinds of packages that come with a base image; everything else is a dependency of the application.
BASE_KINDS = frozenset({"deb", "apk", "rpm", "alpm"})
# The prefixes that ``dawsos scan packages`` writes: of a licence in words where there is no expression, and of the paths of
# programs that a wheel ships beside its code.
SAYS = "its metadata says: "
BUNDLES = "bundles programs: "
BomFormat = Literal["SPDX", "CycloneDX"]


@dataclass(frozen=True)
class Package:
    """``kind`` is the type of the package's purl, ``programs`` the paths of executables that it ships."""

    name: str
    version: str
    kind: str
    licence: str
    programs: tuple[str, ...] = ()

    @property
    def scope(self) -> Literal["application", "base"]:
        return "base" if self.kind in BASE_KINDS else "application"


def read_packages(name: str, document: JsonObject) -> tuple[BomFormat, list[Package]]:
    """Return the form (SPDX, CycloneDX) and its packages; raises Malformed.  A form without its list has none."""
    if "@graph" in document:
        return "SPDX", _spdx_3(name, document)
    if "spdxVersion" in document:
        listed = rows(f"{name}: packages", document.get("packages", []))
        subjects = _described(name, document)
        return "SPDX", [
            _spdx(name, row) for row in listed if row.get("SPDXID") not in subjects and _is_named(name, row)
        ]
    if document.get("bomFormat") == "CycloneDX":
        version = document.get("specVersion", "1.")
        if not str(version).startswith("1."):
            raise Malformed(f"{name} is CycloneDX {version}; 1.x is read")
        listed = components(name, document)
        return "CycloneDX", [package for row in listed if (package := _cyclonedx(name, row)) is not None]
    raise Malformed(f"{name} is neither SPDX nor CycloneDX")


def components(name: str, document: JsonObject) -> list[JsonObject]:
    """Return the components of a CycloneDX file, also those within others: cyclonedx-npm lists them as they are installed."""
    found = []
    for row in rows(f"{name}: components", document.get("components", [])):
        found += [row, *components(name, row)]
    return found


def _is_named(name: str, row: JsonObject) -> bool:
    """Return whether the entry is a package; raises Malformed for one that has a licence, which would be left out unseen."""
    if str(row.get("type") or row.get("primaryPackagePurpose") or "").lower() == "operating-system":
        return False
    stated = {str(row.get(key) or "NONE") for key in ("licenseConcluded", "licenseDeclared")} - {"NOASSERTION", "NONE"}
    if not row.get("name") and (stated or row.get("licenses")):
        raise Malformed(f"{name}: a package has a licence and no name")
    return bool(row.get("name")) and not _is_file(row, bool(stated) or bool(row.get("licenses")))


def _is_file(row: JsonObject, has_licence: bool) -> bool:
    """Return whether the entry is a file, or a lock file as Trivy lists it: an application without version, licence and purl."""
    kind = str(row.get("type") or row.get("primaryPackagePurpose") or "").lower()
    version, reference = row.get("version") or row.get("versionInfo"), row.get("purl") or row.get("externalRefs")
    return not has_licence and (kind == "file" or (kind == "application" and not version and not reference))


def _described(name: str, document: JsonObject) -> set[object]:
    """Return the ids of what the document is about: the bundle or the image itself, which is no package of it."""
    relations = rows(f"{name}: relationships", document.get("relationships", []))
    described = document.get("documentDescribes")
    return {row.get("relatedSpdxElement") for row in relations if row.get("relationshipType") == "DESCRIBES"} | set(
        described if isinstance(described, list) else []
    )


def _spdx(name: str, row: JsonObject) -> Package:
    purls = [
        str(get(name, reference, "referenceLocator"))
        for reference in rows(f"{name}: externalRefs", row.get("externalRefs", []))
        if reference.get("referenceType") == "purl"
    ]
    concluded, declared = (str(row.get(key) or "NOASSERTION") for key in ("licenseConcluded", "licenseDeclared"))
    licence = declared if concluded in ("NOASSERTION", "NONE") else concluded
    comment = str(row.get("licenseComments") or "")
    if licence in ("NOASSERTION", "NONE") and comment.startswith(SAYS):
        licence = comment.removeprefix(SAYS)
    notes = [str(note.get("comment", "")) for note in rows(f"{name}: annotations", row.get("annotations", []))]
    programs = [note.removeprefix(BUNDLES) for note in notes if note.startswith(BUNDLES)]
    listed = tuple(path for text in programs for path in text.split(", "))
    return Package(
        str(row["name"]), str(row.get("versionInfo") or ""), _kind(purls[0] if purls else ""), licence, listed
    )


def _spdx_3(name: str, document: JsonObject) -> list[Package]:
    """Return the packages of SPDX 3.0, in which licences are elements and relations lead to them."""
    graph = rows(f"{name}: @graph", document["@graph"])
    words = {
        str(row.get("spdxId") or row.get("@id")): str(row.get("simplelicensing_licenseExpression") or row.get("name"))
        for row in graph
        if str(row.get("type")).startswith(("simplelicensing_", "expandedlicensing_"))
    }
    roots = {str(root) for row in graph for root in _listed(row.get("rootElement"))}
    licences: dict[str, dict[str, str]] = {}
    for row in graph:
        relation = str(row.get("relationshipType"))
        if relation in ("hasConcludedLicense", "hasDeclaredLicense"):
            told = "; ".join(words.get(str(to), "NOASSERTION") for to in _listed(row.get("to")))
            licences.setdefault(str(row.get("from")), {})[relation] = told
    found = []
    for row in (row for row in graph if row.get("type") == "software_Package"):
        identity = str(row.get("spdxId") or row.get("@id"))
        purpose = str(row.get("software_primaryPurpose") or "").lower()
        if identity in roots or purpose in ("operatingsystem", "file"):
            continue
        others = [str(other.get("identifier")) for other in optional_rows(name, row, "externalIdentifier")]
        purl = str(row.get("software_packageUrl") or next((p for p in others if p.startswith("pkg:")), ""))
        stated = licences.get(identity, {})
        licence = stated.get("hasConcludedLicense") or stated.get("hasDeclaredLicense") or "NOASSERTION"
        version = str(row.get("software_packageVersion") or "")
        found.append(Package(get_text(name, row, "name"), version, _kind(purl), licence))
    return found


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _cyclonedx(name: str, row: JsonObject) -> Package | None:
    if not _is_named(name, row):
        return None
    words = []
    for entry in rows(f"{name}: licenses", row.get("licenses", [])):
        licence = entry.get("license")
        known = None if licence is None else mapping(f"{name}: license", licence)
        own = entry.get("expression") if known is None else known.get("id") or known.get("name")
        words.append(str(own or "NOASSERTION"))
    return Package(
        str(row["name"]),
        str(row.get("version") or ""),
        _kind(str(row.get("purl") or "")),
        # Not AND, which binds more tightly than an OR within one of them: all of them count.
        "; ".join(words) or "NOASSERTION",
    )


def _kind(purl: str) -> str:
    return purl.removeprefix("pkg:").partition("/")[0] if purl.startswith("pkg:") else "generic"

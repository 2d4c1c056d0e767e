"""Packages of an SPDX or CycloneDX bill of materials, each with its kind (pypi, deb, npm ...), licence and what it bundles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dawsos.gates.documents import Malformed, get, mapping, rows
from dawsos.model.json import JsonObject

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
    if "spdxVersion" in document:
        listed = rows(f"{name}: packages", document.get("packages", []))
        subjects = _described(name, document)
        return "SPDX", [
            _spdx(name, row) for row in listed if row.get("SPDXID") not in subjects and _is_named(name, row)
        ]
    if document.get("bomFormat") == "CycloneDX":
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
    stated = {str(row.get(key) or "NONE") for key in ("licenseConcluded", "licenseDeclared")} - {"NOASSERTION", "NONE"}
    if not row.get("name") and (stated or row.get("licenses")):
        raise Malformed(f"{name}: a package has a licence and no name")
    return bool(row.get("name"))


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

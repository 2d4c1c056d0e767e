"""The bill of materials of a folder of installed Python packages, or of what a lock names, as SPDX 2.3 JSON.

Two runs over the same folder give the same bytes.

Syft does more and is used for images; for a bundle of Python packages a program of 25 MB is not needed.
https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from dawsos import __version__
from dawsos.model.json import JsonObject
from dawsos.model.names import canonical_package
from dawsos.scans.locks import Locked

# The prefixes of a licence in words and of a list of programs; gates/readers/spdx.py reads both.
SAYS, BUNDLES = "its metadata says: ", "bundles programs: "
_SUBJECT = "SPDXRef-Subject"
_EXECUTABLE, _SHARED, _INTERPRETER = 2, 3, 3


@dataclass(frozen=True)
class Subject:
    """What the document describes: its name, version and digest, and when it was made (RFC 3339)."""

    name: str
    version: str
    digest: str
    created: str


def spdx(site: Path, subject: Subject) -> JsonObject:
    """Return the SPDX document of the distributions installed in ``site``."""
    found = sorted(distributions(path=[str(site)]), key=lambda distribution: canonical_package(distribution.name))
    programs = _programs(site, found)
    names = [canonical_package(distribution.name) for distribution in found]
    packages = [
        _package(distribution, programs.pop(name, ()), subject) for name, distribution in zip(names, found, strict=True)
    ]
    packages += [_unowned(name, paths, subject) for name, paths in programs.items()]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", _SUBJECT)]
    relations += [_relation(_SUBJECT, "CONTAINS", str(package["SPDXID"])) for package in packages]
    relations += [
        _relation(_package_id(name), "DEPENDS_ON", _package_id(needed))
        for name, distribution in zip(names, found, strict=True)
        for needed in _needs(distribution)
        if needed in names
    ]
    return _document(packages, relations, subject)


def spdx_of_lock(locked: Sequence[Locked], subject: Subject) -> JsonObject:
    """Return the SPDX document of the packages that a lock names."""
    packages = [_locked(number, one) for number, one in enumerate(locked)]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", _SUBJECT)]
    relations += [_relation(_SUBJECT, "DEPENDS_ON", str(package["SPDXID"])) for package in packages]
    return _document(packages, relations, subject)


def _locked(number: int, one: Locked) -> JsonObject:
    expression = _expression(one.licence)
    package: JsonObject = {
        "SPDXID": f"SPDXRef-Package-{number}-{re.sub(r'[^A-Za-z0-9.-]', '-', one.name)}", "name": one.name,
        "versionInfo": one.version, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION", "licenseDeclared": expression, "copyrightText": "NOASSERTION",
    }  # fmt: skip
    if one.purl:
        package["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.purl}
        ]
    if expression == "NOASSERTION" and one.licence:
        package["licenseComments"] = f"{SAYS}{one.licence}"
    return package


def _document(packages: Sequence[JsonObject], relations: Sequence[JsonObject], subject: Subject) -> JsonObject:
    content = hashlib.sha256(repr([(p["name"], p.get("versionInfo")) for p in packages]).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": subject.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{subject.name}-{subject.digest or content}",
        "creationInfo": {"created": subject.created, "creators": [f"Tool: dawsos-{__version__}"]},
        "packages": [_described(subject), *packages], "relationships": [*relations],
    }  # fmt: skip


def _described(subject: Subject) -> JsonObject:
    described: JsonObject = {
        "SPDXID": _SUBJECT, "name": subject.name, "versionInfo": subject.version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION", "primaryPackagePurpose": "APPLICATION",
    }  # fmt: skip
    if subject.digest:
        described["checksums"] = [{"algorithm": "SHA256", "checksumValue": subject.digest}]
    return described


def _package_id(name: str) -> str:
    return f"SPDXRef-Package-{name}"


def _relation(source: str, kind: str, target: str) -> JsonObject:
    return {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}


def _package(distribution: Distribution, programs: Sequence[str], subject: Subject) -> JsonObject:
    name = canonical_package(distribution.name)
    package: JsonObject = {
        "SPDXID": _package_id(name), "name": name, "versionInfo": distribution.version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": declared(distribution),
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": f"pkg:pypi/{name}@{distribution.version}",
            }
        ],
    }  # fmt: skip
    words = licence_words(distribution)
    if package["licenseDeclared"] == "NOASSERTION" and words:
        package["licenseComments"] = f"{SAYS}{words}"
    return package | _bundles(programs, subject)


def _bundles(programs: Sequence[str], subject: Subject) -> JsonObject:
    if not programs:
        return {}
    note: JsonObject = {
        "annotationDate": subject.created, "annotationType": "OTHER", "annotator": f"Tool: dawsos-{__version__}",
        "comment": f"{BUNDLES}{', '.join(programs)}",
    }  # fmt: skip
    return {"annotations": [note]}


def _unowned(name: str, programs: Sequence[str], subject: Subject) -> JsonObject:
    """Return a package for programs that belong to no distribution; its licence is unknown, so the licence gate reports it."""
    package: JsonObject = {
        "SPDXID": f"SPDXRef-Programs-{re.sub(r'[^A-Za-z0-9.-]', '-', name)}", "name": name, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }  # fmt: skip
    return package | _bundles(programs, subject)


def _programs(site: Path, found: Sequence[Distribution]) -> dict[str, list[str]]:
    """Return owner -> the programs below ``site``.

    A release leaves the installation records out, so a program belongs to the distribution whose import package or
    name is its first folder; the rest is listed under that folder.
    """
    owners = {}
    for distribution in found:
        for top in (distribution.read_text("top_level.txt") or "").split():
            owners[top] = canonical_package(distribution.name)
    owners |= {canonical_package(distribution.name): canonical_package(distribution.name) for distribution in found}
    owners |= {
        str(file): canonical_package(distribution.name) for distribution in found for file in distribution.files or ()
    }
    programs: dict[str, list[str]] = {}
    for path in sorted(site.rglob("*")):
        if path.is_file() and is_program(path):
            name = path.relative_to(site).as_posix()
            top = name.partition("/")[0]
            owner = owners.get(name) or owners.get(top) or owners.get(canonical_package(top)) or top
            programs.setdefault(owner, []).append(name)
    return programs


def declared(distribution: Distribution) -> str:
    """Return the SPDX expression of PEP 639, NOASSERTION where the metadata has none; the licence gate reads free text."""
    return _expression(_field(distribution, "License-Expression"))


def _expression(expression: str) -> str:
    try:
        parsed = _licensing().parse(expression, validate=True) if expression else None
    except (ExpressionError, AssertionError, LookupError, TypeError):
        # For some malformed input, such as empty brackets, the parser raises errors of its own.
        return "NOASSERTION"
    return "NOASSERTION" if parsed is None else str(parsed)


@lru_cache(maxsize=1)
def _licensing() -> Licensing:
    """Return the SPDX licence list; made on first use, because it is large."""
    return get_spdx_licensing()


def licence_words(distribution: Distribution) -> str:
    """Return what the metadata says in words: its classifiers joined by ``;``, else a short License field."""
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in distribution.metadata.get_all("Classifier") or ()
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    field = _field(distribution, "License").strip()
    return "; ".join(classifiers) or (field if len(field) < 100 and "\n" not in field else "")


def _field(distribution: Distribution, name: str) -> str:
    return next(iter(distribution.metadata.get_all(name) or ()), "")


def _needs(distribution: Distribution) -> Iterable[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in distribution.requires or ())
    return sorted({canonical_package(match[0]) for match in names if match})


def is_program(path: Path) -> bool:
    """Return whether ``path`` is an ELF program: one that names a loader, or a static one.  A shared library is not."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF" or head[4] != 2 or head[5] != 1:
                return False
            kind, offset, size, count = (
                struct.unpack_from("<H", head, 16)[0], struct.unpack_from("<Q", head, 32)[0],
                *struct.unpack_from("<HH", head, 54),
            )  # fmt: skip
            if kind == _EXECUTABLE:
                return True
            file.seek(offset)
            headers = file.read(size * count)
    except (OSError, struct.error, IndexError):
        return False
    kinds = [struct.unpack_from("<I", headers, size * index)[0] for index in range(len(headers) // size if size else 0)]
    return kind == _SHARED and _INTERPRETER in kinds

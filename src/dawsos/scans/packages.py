"""The bill of materials of a folder of installed Python packages, as SPDX 2.3 JSON; two runs over one folder are byte for byte one.

Syft does the same and more, and is what an image is scanned with; a bundle of Python packages needs no 25 MB program for it.
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
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from dawsos import __version__
from dawsos.model.names import canonical_package

# The reader of licences takes these words where there is no expression, and these paths as programs.
SAYS, BUNDLES = "its metadata says: ", "bundles programs: "
_EXECUTABLE, _SHARED, _INTERPRETER = 2, 3, 3


@dataclass(frozen=True)
class Subject:
    """What the bill is of: its name, version and digest, and when it was made (RFC 3339)."""

    name: str
    version: str
    digest: str
    created: str


def spdx(site: Path, subject: Subject) -> dict[str, Any]:
    """Return the SPDX document of the distributions installed in ``site``."""
    found = sorted(distributions(path=[str(site)]), key=lambda one: canonical_package(one.name))
    programs = _programs(site, found)
    packages = [_package(one, programs.pop(canonical_package(one.name), ()), subject) for one in found]
    root = "SPDXRef-Subject"
    described = {
        "SPDXID": root, "name": subject.name, "versionInfo": subject.version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION", "primaryPackagePurpose": "APPLICATION",
    }  # fmt: skip
    if subject.digest:
        described["checksums"] = [{"algorithm": "SHA256", "checksumValue": subject.digest}]
    by_name = {canonical_package(one.name): package["SPDXID"] for one, package in zip(found, packages, strict=True)}
    packages += [_stranger(name, paths, subject) for name, paths in programs.items()]
    relations = [_relation("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    relations += [_relation(root, "CONTAINS", package["SPDXID"]) for package in packages]
    relations += [
        _relation(by_name[canonical_package(one.name)], "DEPENDS_ON", by_name[needed])
        for one in found
        for needed in _needs(one)
        if needed in by_name
    ]
    content = hashlib.sha256(repr([(p["name"], p.get("versionInfo")) for p in packages]).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": subject.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{subject.name}-{subject.digest or content}",
        "creationInfo": {"created": subject.created, "creators": [f"Tool: dawsos-{__version__}"]},
        "packages": [described, *packages], "relationships": relations,
    }  # fmt: skip


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _package(one: Distribution, programs: Sequence[str], subject: Subject) -> dict[str, Any]:
    name = canonical_package(one.name)
    package: dict[str, Any] = {
        "SPDXID": f"SPDXRef-Package-{name}", "name": name, "versionInfo": one.version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": declared(one),
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": f"pkg:pypi/{name}@{one.version}",
            }
        ],
    }  # fmt: skip
    words = licence_words(one)
    if package["licenseDeclared"] == "NOASSERTION" and words:
        package["licenseComments"] = f"{SAYS}{words}"
    return package | _bundles(programs, subject)


def _bundles(programs: Sequence[str], subject: Subject) -> dict[str, Any]:
    if not programs:
        return {}
    note = {
        "annotationDate": subject.created, "annotationType": "OTHER", "annotator": f"Tool: dawsos-{__version__}",
        "comment": f"{BUNDLES}{', '.join(programs)}",
    }  # fmt: skip
    return {"annotations": [note]}


def _stranger(name: str, programs: Sequence[str], subject: Subject) -> dict[str, Any]:
    """Return a package for programs that belong to no distribution; its licence is unknown, so that somebody looks."""
    return {
        "SPDXID": f"SPDXRef-Programs-{re.sub(r'[^A-Za-z0-9.-]', '-', name)}", "name": name, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    } | _bundles(programs, subject)  # fmt: skip


def _programs(site: Path, found: Sequence[Distribution]) -> dict[str, list[str]]:
    """Return owner -> the programs below ``site``.

    A release leaves the installation records out, so a program belongs to the distribution whose import package or
    name is its first folder; the rest is listed under that folder.
    """
    owners = {}
    for one in found:
        for top in (one.read_text("top_level.txt") or "").split():
            owners[top] = canonical_package(one.name)
    owners |= {canonical_package(one.name): canonical_package(one.name) for one in found}
    owners |= {str(file): canonical_package(one.name) for one in found for file in one.files or ()}
    programs: dict[str, list[str]] = {}
    for path in sorted(site.rglob("*")):
        if path.is_file() and is_program(path):
            name = path.relative_to(site).as_posix()
            top = name.partition("/")[0]
            owner = owners.get(name) or owners.get(top) or owners.get(canonical_package(top)) or top
            programs.setdefault(owner, []).append(name)
    return programs


def declared(one: Distribution) -> str:
    """Return the SPDX expression of PEP 639, NOASSERTION where the metadata has none: reading free text is the gate's work."""
    expression = _field(one, "License-Expression")
    try:
        parsed = _licensing().parse(expression, validate=True) if expression else None
    except (ExpressionError, AssertionError, LookupError, TypeError):
        # Of brackets around nothing and the like the parser itself breaks, with whatever it meets first.
        return "NOASSERTION"
    return "NOASSERTION" if parsed is None else str(parsed)


@lru_cache(maxsize=1)
def _licensing() -> Licensing:
    """Return the SPDX licence list; made on first use, because it is large."""
    return get_spdx_licensing()


def licence_words(one: Distribution) -> str:
    """Return what the metadata says in words: its classifiers joined by ``;``, else a short License field."""
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in one.metadata.get_all("Classifier") or ()
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    field = _field(one, "License").strip()
    return "; ".join(classifiers) or (field if len(field) < 100 and "\n" not in field else "")


def _field(one: Distribution, name: str) -> str:
    return next(iter(one.metadata.get_all(name) or ()), "")


def _needs(one: Distribution) -> Iterable[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in one.requires or ())
    return sorted({canonical_package(match[0]) for match in names if match})


def is_program(path: Path) -> bool:
    """Return whether ``path`` is an ELF program: one with a loader named in it, or a static one.  Libraries are none."""
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

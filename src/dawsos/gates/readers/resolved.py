"""The resolved dependencies, name -> version, of a lock file or a bill of materials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dawsos.gates.documents import Malformed, Missing, decode, get_text, mapping, parse_object, rows
from dawsos.gates.readers.spdx import components
from dawsos.model.json import JsonObject
from dawsos.model.names import canonical_package

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*={2,3}\s*(?P<version>[^ ;,=*]+)\s*(?P<marker>;.*)?"
)


@dataclass(frozen=True)
class Resolved:
    """``pins`` must be audited; ``conditional`` packages have a marker and may be absent on this machine.

    ``kind`` is the index of the names (pypi, npm), empty where the file is of several.

    ``further`` counts the entries of a package-lock.json beyond the names: npm installs a package in several versions.
    """

    pins: dict[str, str]
    conditional: frozenset[str] = frozenset()
    further: int = 0
    kind: Literal["", "npm", "pypi"] = ""


def read_resolved(name: str, content: bytes) -> Resolved:
    """Return what a requirements file, a package-lock.json, an SPDX or a CycloneDX file names.

    Raises Missing when it names nothing and Malformed for what cannot be read, or is looser than a pin.
    """
    resolved = _from_json(name, content) if decode(name, content).lstrip().startswith("{") else _pins(name, content)
    if not resolved.pins and not resolved.conditional:
        raise Missing(f"{name} pins nothing")
    return resolved


def _pins(name: str, content: bytes) -> Resolved:
    pins, conditional = {}, set()
    # As pip reads it: a line that is a comment ends where it ends, so it cannot take the next line with it.
    lines = (" " if line.lstrip().startswith("#") else line for line in decode(name, content).splitlines())
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        requirement = re.sub(r"(^|\s)#.*", "", line)
        requirement = re.sub(r"\s--hash=\S+", "", requirement).strip()
        # pip takes abbreviations of both, from where they can mean nothing else.
        if not requirement or re.match(r"--(?!requirem|ed)|-i\s", requirement):
            continue
        pin = _PIN.fullmatch(requirement)
        if pin is None:
            raise Malformed(f"{name}: {requirement!r} is not a pin (name==version), so what is installed is not known")
        if pin["marker"]:
            conditional.add(canonical_package(pin["name"]))
        else:
            pins[canonical_package(pin["name"])] = pin["version"]
    if not pins:
        raise Missing(f"{name} pins nothing")
    return Resolved(pins, frozenset(conditional - pins.keys()), kind="pypi")


def _from_json(name: str, content: bytes) -> Resolved:
    document = parse_object(name, content)
    if "lockfileVersion" in document:
        return _package_lock(name, document)
    if "spdxVersion" in document:
        listed = rows(f"{name}: packages", document.get("packages", []))
        return Resolved({package: version for row in listed for package, version in _spdx(name, row)})
    if document.get("bomFormat") == "CycloneDX":
        listed = components(name, document)
        return Resolved({_name(f"{name}: components", row): str(row.get("version", "")) for row in listed})
    raise Malformed(f"{name} is no known lock: give a requirements.txt, package-lock.json, SPDX or CycloneDX file")


def _package_lock(name: str, document: JsonObject) -> Resolved:
    if "packages" not in document:
        raise Malformed(f"{name} is of lockfileVersion 1, which lists no packages: write it with npm 7 or newer")
    packages = mapping(f"{name}: packages", document["packages"])
    pins: dict[str, str] = {}
    optional: set[str] = set()
    entries = 0
    for path, entry in packages.items():
        facts = mapping(f"{name}: {path or 'the project itself'}", entry)
        if not path or facts.get("link") is True:
            continue
        entries += 1
        # As every report's names are compared: an advisory on lodash.merge must find it.
        package = canonical_package(str(facts.get("name") or path.rpartition("node_modules/")[2]))
        if facts.get("optional") is True:
            optional.add(package)
        else:
            pins[package] = str(facts.get("version", ""))
    conditional = frozenset(optional - pins.keys())
    return Resolved(pins, conditional, entries - len(pins) - len(conditional), "npm")


def _spdx(name: str, row: JsonObject) -> list[tuple[str, str]]:
    """Return the package, unless it is the document's own subject, which no index knows."""
    references = rows(f"{name}: externalRefs", row.get("externalRefs", []))
    if not any(reference.get("referenceType") == "purl" for reference in references):
        return []
    return [(_name(f"{name}: packages", row), str(row.get("versionInfo", "")))]


def _name(place: str, row: JsonObject) -> str:
    return canonical_package(get_text(place, row, "name"))

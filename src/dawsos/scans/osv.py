"""Compares resolved packages with an OSV export, the form in which advisory databases are published and can be carried along.

https://ossf.github.io/osv-schema/ : a version is affected when it is listed in ``versions``, or lies in a range between an
``introduced`` and the next ``fixed`` (exclusive) or ``last_affected`` (inclusive).
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from dawsos.errors import BadInput
from dawsos.model.names import canonical_package

_RATING = {"LOW", "MODERATE", "MEDIUM", "HIGH", "CRITICAL"}
_LARGEST = 2 * 1024**3


@dataclass(frozen=True)
class Export:
    """The records of an export; ``modified`` is the newest time in it, which is the state of its data."""

    records: tuple[dict[str, Any], ...]
    modified: str


def read_export(name: str, content: bytes) -> Export:
    """Return the records of a .json, .jsonl, .jsonl.gz or .zip file (one record a file); raises BadInput."""
    try:
        records = tuple(record for record in _records(name, content) if not record.get("withdrawn"))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(
            f"{name} is not an OSV export: {error}", fix="give a .json, .jsonl, .jsonl.gz or .zip of OSV records"
        ) from error
    times = [str(record["modified"]) for record in records if record.get("modified")]
    if not times:
        raise BadInput(f"{name} holds no dated OSV record", fix="export the database anew")
    return Export(records, max(times))


def _records(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("it would unpack to more than 2 GiB")
            for entry in archive.namelist():
                if entry.endswith(".json"):
                    yield _record(json.loads(archive.read(entry)))
        return
    text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    if text.lstrip().startswith("["):
        yield from (_record(row) for row in json.loads(text))
    elif name.endswith(".json"):
        yield _record(json.loads(text))
    else:
        yield from (_record(json.loads(line)) for line in text.splitlines() if line.strip())


def _record(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise ValueError("a record has no id")
    return value


def match(export: Export, packages: Mapping[str, str], ecosystem: str) -> list[dict[str, Any]]:
    """Return {package, version, id, aliases, severity, fixed} for each advisory of ``ecosystem`` that affects one of ``packages``."""
    found = []
    for record in export.records:
        for affected in record.get("affected") or ():
            package = affected.get("package") or {}
            name = canonical_package(str(package.get("name", "")))
            if package.get("ecosystem") != ecosystem or name not in packages:
                continue
            version = packages[name]
            if is_affected(affected, version):
                row = {
                    "package": name,
                    "version": version,
                    "id": record["id"],
                    "aliases": list(record.get("aliases") or ()),
                }
                found.append(row | {"severity": _severity(record), "fixed": _fixed(affected, version)})
    return found


def is_affected(affected: Mapping[str, Any], version: str) -> bool:
    """Return whether ``version`` is affected.  One that cannot be compared is, unless the listed versions say otherwise.

    The same holds for a range whose beginning cannot be compared: it may have begun anywhere.
    """
    listed = {str(known) for known in affected.get("versions") or ()}
    if version in listed:
        return True
    ranges = [span for span in affected.get("ranges") or () if span.get("type") in ("ECOSYSTEM", "SEMVER")]
    here = _version(version)
    if here is None:
        return bool(ranges) and not listed
    return any(known == here for known in map(_version, listed)) or any(
        _inside(span.get("events") or (), here) for span in ranges
    )


def _inside(events: Iterable[Mapping[str, Any]], version: Version) -> bool:
    inside = False
    for kind, at in sorted(_events(events), key=lambda event: (event[1], event[0] == "last_affected")):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _events(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Version]]:
    for event in events:
        for kind in ("introduced", "fixed", "last_affected"):
            at = _version(str(event[kind])) if kind in event and event[kind] != "0" else None
            if at is not None:
                yield kind, at
            elif kind == "introduced" and kind in event:
                # "0" is before every version, also before the first pre-release.
                yield kind, Version("0.dev0")


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _fixed(affected: Mapping[str, Any], version: str) -> list[str]:
    """Return the versions that mend it and are newer than what is here."""
    fixes = {str(e["fixed"]) for span in affected.get("ranges") or () for e in span.get("events") or () if "fixed" in e}
    here = _version(version)
    dated = sorted((at, text) for text in fixes if (at := _version(text)) is not None)
    return [text for at, text in dated if here is None or at > here]


def _severity(record: Mapping[str, Any]) -> str:
    """Return the rating that the database gives in words; a bare CVSS vector is left to people, and so is none at all."""
    word = str((record.get("database_specific") or {}).get("severity") or "").upper()
    return word if word in _RATING else "UNKNOWN"

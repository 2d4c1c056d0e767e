"""Compares resolved packages with an OSV export: the format in which advisory databases are published, usable offline.

https://ossf.github.io/osv-schema/ : a version is affected when it is listed in ``versions``, or lies in a range between an
``introduced`` and the next ``fixed`` (exclusive) or ``last_affected`` (inclusive).
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from dawsos.errors import BadInput
from dawsos.model.json import Json, JsonObject, parse
from dawsos.model.names import canonical_package

_RATING = {"LOW", "MODERATE", "MEDIUM", "HIGH", "CRITICAL"}
_RANGE_TYPES = ("ECOSYSTEM", "SEMVER", "GIT")
_LARGEST = 2 * 1024**3


@dataclass(frozen=True)
class Export:
    """The records of an export; ``modified`` is the newest ``modified`` time among them (RFC 3339)."""

    records: tuple[JsonObject, ...]
    modified: str


def read_export(name: str, content: bytes) -> Export:
    """Return the records of a .json, .jsonl, .jsonl.gz or .zip file (one record a file); raises BadInput."""
    try:
        records = tuple(record for record in _records(name, content) if not record.get("withdrawn"))
    except (ValueError, RecursionError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(
            f"{name} is not an OSV export: {error}", fix="give a .json, .jsonl, .jsonl.gz or .zip of OSV records"
        ) from error
    times = [str(record["modified"]) for record in records if record.get("modified")]
    if not times:
        raise BadInput(f"{name} holds no dated OSV record", fix="export the database anew")
    return Export(records, max(times))


def _records(name: str, content: bytes) -> Iterator[JsonObject]:
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("it would unpack to more than 2 GiB")
            for entry in archive.namelist():
                if entry.endswith(".json"):
                    yield _record(parse(archive.read(entry)))
        return
    text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    if name.endswith(".json") or text.lstrip().startswith("["):
        value = parse(text)
        yield from (_record(item) for item in (value if isinstance(value, list) else [value]))
    else:
        yield from (_record(parse(line)) for line in text.splitlines() if line.strip())


def _record(value: Json) -> JsonObject:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise ValueError("a record has no id")
    withdrawn = value.get("withdrawn")
    if withdrawn is not None and not isinstance(withdrawn, str):
        raise ValueError(f"withdrawn of {value['id']} is {withdrawn!r}, not a time")
    return value


def match(export: Export, packages: Mapping[str, str], ecosystem: str) -> list[JsonObject]:
    """Return {package, version, id, aliases, severity, fixed} for each advisory of ``ecosystem`` that affects one of ``packages``.

    Raises BadInput for a record that is not as the schema says: to leave it out could hide an advisory.
    """
    found: list[JsonObject] = []
    for record in export.records:
        try:
            found += _matches(record, packages, ecosystem)
        except ValueError as error:
            raise BadInput(
                f"the OSV record {record['id']} is malformed: {error}", fix="export the database anew"
            ) from error
    return found


def _matches(record: JsonObject, packages: Mapping[str, str], ecosystem: str) -> list[JsonObject]:
    found: list[JsonObject] = []
    for affected in _objects(record, "affected"):
        package = _object(affected, "package")
        name = canonical_package(str(package.get("name", "")))
        if package.get("ecosystem") != ecosystem or name not in packages:
            continue
        version = packages[name]
        if is_affected(affected, version):
            found.append(
                {
                    "package": name,
                    "version": version,
                    "id": record["id"],
                    "aliases": [*_array(record, "aliases")],
                    "severity": _severity(record),
                    "fixed": [*_fixed(affected, version)],
                }
            )
    return found


def is_affected(affected: JsonObject, version: str) -> bool:
    """Return whether ``version`` is affected.  A version that cannot be compared counts as affected, unless versions are listed.

    So does every version for a range whose beginning cannot be compared.  Raises ValueError for what the
    schema does not allow.
    """
    listed = {str(known) for known in _array(affected, "versions")}
    if version in listed:
        return True
    ranges = [span for span in _objects(affected, "ranges") if _range_type(span) != "GIT"]
    here = _version(version)
    if here is None:
        return bool(ranges) and not listed
    return any(known == here for known in map(_version, listed)) or any(
        _inside(_objects(span, "events"), here) for span in ranges
    )


def _range_type(span: JsonObject) -> str:
    kind = span.get("type")
    if kind not in _RANGE_TYPES:
        raise ValueError(f"the type of a range is {kind!r}, not one of {', '.join(_RANGE_TYPES)}")
    return str(kind)


def _inside(events: Iterable[JsonObject], version: Version) -> bool:
    inside = False
    for kind, at in sorted(_events(events), key=lambda event: (event[1], event[0] == "last_affected")):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _events(events: Iterable[JsonObject]) -> Iterator[tuple[str, Version]]:
    for event in events:
        for kind in ("introduced", "fixed", "last_affected"):
            at = _version(str(event[kind])) if kind in event and event[kind] != "0" else None
            if at is not None:
                yield kind, at
            elif kind == "introduced" and kind in event:
                # "0" is before every version, including the first pre-release.
                yield kind, Version("0.dev0")


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _fixed(affected: JsonObject, version: str) -> list[str]:
    """Return the versions that fix the vulnerability and are newer than ``version``."""
    events = [event for span in _objects(affected, "ranges") for event in _objects(span, "events")]
    fixes = {str(event["fixed"]) for event in events if "fixed" in event}
    here = _version(version)
    dated = sorted((at, text) for text in fixes if (at := _version(text)) is not None)
    return [text for at, text in dated if here is None or at > here]


def _severity(record: JsonObject) -> str:
    """Return the severity that the database gives as a word; UNKNOWN for a CVSS vector alone or for none."""
    word = str(_object(record, "database_specific").get("severity") or "").upper()
    return word if word in _RATING else "UNKNOWN"


def _array(value: JsonObject, key: str) -> list[Json]:
    """Return the array ``value[key]``, an empty one when it is left out or null; raises ValueError for anything else."""
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError(f"{key} is not an array")
    return found


def _objects(value: JsonObject, key: str) -> list[JsonObject]:
    items = _array(value, key)
    found = [item for item in items if isinstance(item, dict)]
    if len(found) < len(items):
        raise ValueError(f"{key} is not an array of objects")
    return found


def _object(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{key} is not an object")
    return found

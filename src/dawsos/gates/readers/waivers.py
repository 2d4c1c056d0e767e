"""Exceptions with an owner: waivers of findings and quarantined tests, as a YAML list in the project's repository.

Each entry names its subject, who is responsible, why, and until which day.  After that day it has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dawsos.gates.documents import Malformed, decode
from dawsos.gates.readers.context import end_of


@dataclass(frozen=True)
class Waiver:
    """``subject`` is the id of an advisory, the fingerprint of a secret, the id of a test or ``path: rule`` of a linter's findings,
    of which it waives at most ``most``."""

    subject: str
    package: str
    by: str
    why: str
    until: date
    most: int = 1

    def __str__(self) -> str:
        return f"waived until {self.until} by {self.by}: {self.why}"


def read_waivers(name: str, content: bytes, key: str, who: str) -> list[Waiver]:
    """Return the entries of the YAML list; each has ``key``, ``who`` (by or owner), why and until.  Raises Malformed."""
    try:
        entries = YAML(typ="safe", pure=True).load(decode(name, content))
    except (YAMLError, ValueError) as error:
        raise Malformed(f"{name} is not YAML: {' '.join(str(error).split())}") from error
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise Malformed(f"{name} is not a list of entries with {key}, {who}, why and until")
    return [_waiver(f"{name}, entry {number}", entry, key, who) for number, entry in enumerate(entries, start=1)]


def _waiver(where: str, entry: object, key: str, who: str) -> Waiver:
    if not isinstance(entry, Mapping):
        raise Malformed(f"{where} is not a mapping")
    unknown = entry.keys() - {key, who, "why", "until", "package", "most"}
    if unknown:
        raise Malformed(f"{where}: unknown key {sorted(map(str, unknown))[0]!r}")
    for name in (key, who, "why"):
        if entry.get(name) is not None and not isinstance(entry[name], str):
            raise Malformed(f"{where}: {name} is {entry[name]!r}, not a text; put it in quotes")
        if not (entry.get(name) or "").strip():
            raise Malformed(f"{where} has no {name}: an exception needs {key}, {who}, why and until")
    # Without it the entry is for every package, so a slip must not read as none.
    package = entry.get("package", "")
    if "package" in entry and not (isinstance(package, str) and package.strip()):
        raise Malformed(
            f"{where}: package is {package!r}, not the name of a package; leave the key out for every package"
        )
    until = entry.get("until")
    # A datetime is a date to Python; only the day counts here.
    if type(until) is not date:
        raise Malformed(f"{where}: until is {until!r}, not a day like 2026-12-31")
    most = entry.get("most", 1)
    if type(most) is not int or most < 1:
        raise Malformed(f"{where}: most is {most!r}, not a number of findings")
    return Waiver(entry[key], package, entry[who], entry["why"], until, most)


def earliest(waivers: Iterable[Waiver], *times: float) -> float | None:
    """Return the second after which the first of ``waivers`` (or of ``times``) no longer holds, None without any."""
    return min([*(end_of(waiver.until) for waiver in waivers), *times], default=None)

"""Reading evidence: JSON and XML, with one error for what is missing and one for what cannot be read."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from dawsos.model.json import Json, JsonObject, parse


class Missing(Exception):
    """The evidence is not there."""


class Malformed(Exception):
    """The evidence is there and cannot be understood."""


def _evidence_path(value: str) -> str:
    parts = value.split("/")
    if not value or value.startswith("/") or ".." in parts:
        raise ValueError(f"{value!r} is not a path below the stage's artifact folder")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{value!r}: ** must be a whole part of the path")
    return value


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    return value


# Both are checked when the pipeline file is loaded, so that a typo is not found after the tests have run.
EvidencePath = Annotated[str, AfterValidator(_evidence_path)]
Regex = Annotated[str, AfterValidator(_regular_expression)]


# Characters that XML 1.0 forbids, as they are and as references.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
    "|&#(?:[0-8]|1[124-9]|2[0-9]|3[01]|x(?:0*[0-8bBcCeEfF]|0*1[0-9a-fA-F]));"
)
_ENCODING = re.compile(r"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
# Those that are no text encodings, or that hide ASCII, are none of a report.
_ENCODINGS = re.compile(
    r"us-ascii|ascii|iso-8859-\d+|latin-?1|windows-125\d|cp\d+|utf-16|koi8-[ru]|shift_jis|euc-(?:jp|kr)|gbk|gb2312|gb18030|big5"
)
WordT = TypeVar("WordT", bound=str)


def required_file(evidence: Mapping[str, bytes], name: str) -> bytes:
    """Return the content of the file ``name``; raises Missing."""
    if name not in evidence:
        raise Missing(f"there is no {name}: the step that writes it did not run or failed before")
    return evidence[name]


def matching_files(evidence: Mapping[str, bytes], pattern: str) -> dict[str, bytes]:
    """Return the files that match the glob, path -> content; raises Missing when none does."""
    glob = _glob(pattern)
    found = {name: content for name, content in sorted(evidence.items()) if glob.fullmatch(name)}
    if not found:
        raise Missing(f"there is no {pattern}: the step that writes it did not run or failed before")
    return found


def _glob(pattern: str) -> re.Pattern[str]:
    """Return ``pattern`` as pathlib reads it, because pathlib listed the files: ``*`` stays within a folder."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", pattern)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part) or _literal_or_class(part) for part in parts), re.DOTALL)


def _literal_or_class(part: str) -> str:
    if not re.fullmatch(r"\[!?[^\]]+\]", part):
        return re.escape(part)
    letters = re.sub(r"([\\^\[&~|])", r"\\\1", part[1:-1].removeprefix("!"))
    return f"(?!/)[{'^' if part.startswith('[!') else ''}{letters}]"


def decode(name: str, content: bytes) -> str:
    """Return the file as text; raises Malformed."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def parse_json(name: str, content: bytes) -> Json:
    """Return the JSON value in the file; raises Malformed."""
    try:
        return parse(decode(name, content))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{name} is not JSON: {error}") from error


def parse_object(name: str, content: bytes) -> JsonObject:
    """Return the JSON object in the file; raises Malformed."""
    return mapping(name, parse_json(name, content))


def parse_rows(name: str, content: bytes) -> list[JsonObject]:
    """Return the JSON array of objects in the file; raises Malformed."""
    return rows(name, parse_json(name, content))


def parse_xml(name: str, content: bytes) -> ElementTree.Element:
    """Return the root element; raises Malformed, also for a document that declares entities (entity expansion attacks).

    The text is decoded first, as its declaration says: a search in the bytes would miss entities that are written in UTF-16.
    """
    document = _decode_xml(name, content)
    if "<!ENTITY" in document:
        raise Malformed(f"{name} declares entities, which no report needs")
    problem: Exception | None = None
    # What a test printed gets into reports as it is: its control characters are no reason to know nothing.
    for text in (document, _FORBIDDEN.sub("\ufffd", document)):
        try:
            return ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
        except (ElementTree.ParseError, ValueError) as error:
            problem = error
    raise Malformed(f"{name} is not XML: {problem}") from problem


def _decode_xml(name: str, content: bytes) -> str:
    """Return the document as text, in the encoding that it declares; without a declaration it is UTF-8."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    begin = content[:400].decode("utf-16", "replace") if wide else content[:200].decode("latin-1")
    declared = _ENCODING.match(begin)
    encoding = declared[1].lower() if declared else "utf-8"
    if encoding in ("utf-8", "utf8") or wide != (encoding == "utf-16"):
        return decode(name, content)
    if not _ENCODINGS.fullmatch(encoding):
        raise Malformed(f"{name} declares the encoding {encoding!r}, which is not read")
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Malformed(f"{name} is not {encoding} text, as it declares") from error


def get(place: str, value: Json, key: str) -> Json:
    """Return ``value[key]``; raises Malformed when ``value`` is no object or lacks the key."""
    found = mapping(place, value)
    if key not in found:
        raise Malformed(f"{place} has no {key!r}")
    return found[key]


def get_text(place: str, value: Json, key: str) -> str:
    """Return ``value[key]``, a text that is not empty; raises Malformed."""
    found = get(place, value, key)
    if not isinstance(found, str) or not found:
        raise Malformed(f"{place}: {key} is {found!r}, not a text")
    return found


def get_word(place: str, value: Json, key: str, allowed: Sequence[WordT]) -> WordT:
    """Return ``value[key]``, one of ``allowed``; raises Malformed."""
    found = get(place, value, key)
    for word in allowed:
        if found == word:
            return word
    raise Malformed(f"{place}: {key} is {found!r}, not one of {', '.join(allowed)}")


def get_number(place: str, value: Json, key: str) -> float:
    """Return ``value[key]``, a finite number; raises Malformed."""
    return number(f"{place}: {key}", get(place, value, key))


def number(place: str, value: Json) -> float:
    """Return ``value`` as a finite number; raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Malformed(f"{place} is {value!r}, not a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise Malformed(f"{place} is {found!r}, not a finite number")
    return found


def mapping(place: str, value: Json) -> JsonObject:
    """Return ``value``, an object; raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{place} is {_type(value)}, not an object")
    return value


def rows(place: str, value: Json) -> list[JsonObject]:
    """Return ``value``, an array of objects; raises Malformed."""
    return [mapping(f"{place}[{index}]", item) for index, item in enumerate(_array(place, value))]


def optional_rows(place: str, value: JsonObject, key: str) -> list[JsonObject]:
    """Return ``value[key]``, an array of objects, empty when the key is left out or null; raises Malformed for anything else."""
    found = value.get(key)
    return [] if found is None else rows(f"{place}: {key}", found)


def texts(place: str, value: Json) -> list[str]:
    """Return ``value``, an array of texts; raises Malformed.  Null is no empty array: who did not look has not found none."""
    items = _array(place, value)
    found = [item for item in items if isinstance(item, str)]
    if len(found) < len(items):
        raise Malformed(f"{place} is not an array of texts")
    return found


def _array(place: str, value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise Malformed(f"{place} is {_type(value)}, not an array")
    return value


def _type(value: Json) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "an array", dict: "an object"}
    return names.get(type(value), "null")

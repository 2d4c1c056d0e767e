"""One answer, read: what kind of an answer it is, the headers that matter, and the shape or the words of its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dawsos.analysis.compare.shapes import Shape, shape_of
from dawsos.model.json import parse

Form = Literal["json", "text", "bytes", "empty", "unreadable"]

# Headers by which clients, browsers and caches behave differently; of cookies only the names.
HEADERS = (
    "content-type", "content-encoding", "content-disposition", "location", "cache-control", "vary", "www-authenticate",
    "access-control-allow-origin", "content-security-policy", "strict-transport-security", "x-content-type-options",
    "x-frame-options", "retry-after", "deprecation", "sunset",
)  # fmt: skip
_COOKIE = re.compile(r"(?:^|,\s*)([A-Za-z0-9_.$-]+)=")
_EXPIRES = re.compile(r"(?i)expires=[^;]*")
_HIDDEN = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Answer:
    """An answer as it came; ``problem`` says why there is none, and then ``status`` is 0.  Header names are in lower case."""

    status: int
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""


@dataclass(frozen=True)
class Reading:
    """What an answer says.  ``group`` is ``2xx`` to ``5xx`` or ``no answer``, ``words`` are those of a text, without marks of HTML."""

    group: str
    status: str
    form: Form
    size: int
    seconds: float
    headers: Mapping[str, str]
    shape: Shape = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    text: str = ""

    @property
    def fails(self) -> bool:
        """Whether no client can use it."""
        return self.group in ("5xx", "no answer")


def read(answer: Answer) -> Reading:
    """Return what ``answer`` says."""
    if not answer.status:
        return Reading("no answer", answer.problem or "no answer", "empty", 0, answer.seconds, {})
    group, status = f"{answer.status // 100}xx", str(answer.status)
    headers = _headers(answer.headers)
    form, shape, text = _body(answer)
    words = frozenset(_WORD.findall(text.lower())) if form == "text" else frozenset()
    return Reading(group, status, form, len(answer.body), answer.seconds, headers, shape, words, text)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers[name].strip() for name in HEADERS if name in headers}
    if "set-cookie" in headers:
        # The day of an expiry has a comma, by which cookies are told apart.
        names = _COOKIE.findall(_EXPIRES.sub("", headers["set-cookie"]))
        found["set-cookie"] = ", ".join(sorted(set(names)))
    return found


def _body(answer: Answer) -> tuple[Form, Shape, str]:
    body, media = answer.body, answer.headers.get("content-type", "").lower()
    if not body.strip():
        return "empty", {}, ""
    # Several documents in one body (ndjson, json-seq) are text.
    says_json = bool(re.search(r"[/+]json$", media.partition(";")[0].strip()))
    if says_json or (not media and body.lstrip()[:1] in (b"{", b"[")):
        try:
            return "json", shape_of(parse(body)), ""
        except (ValueError, RecursionError):
            if says_json:
                return "unreadable", {}, _decoded(body) or ""
    text = _decoded(body)
    if text is None:
        return "bytes", {}, ""
    return (
        "text",
        {},
        " ".join(_HIDDEN.sub(" ", text).split()) if "html" in media or "<html" in text[:400].lower() else text,
    )


def _decoded(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text

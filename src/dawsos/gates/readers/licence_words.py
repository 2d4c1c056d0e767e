"""Maps licences as people write them to SPDX expressions.  A licence that cannot be mapped is unknown, which is not allowed."""

from __future__ import annotations

import re
from functools import lru_cache

from license_expression import ExpressionError, LicenseExpression, Licensing, get_spdx_licensing

# Whole texts in lower case, as trove classifiers and packages have them.
_FREE_TEXT = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "expat license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "2-clause bsd license": "BSD-2-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "zope public license": "ZPL-2.1",
    "gpl": "GPL-1.0-or-later",
    "agpl": "AGPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later",
    "sspl": "SSPL-1.0",
}
# Families written out, with or without a version: (pattern, SPDX prefix, version when none is given).
_FAMILIES = (
    (re.compile(r"affero(?: general public)?(?: licen[cs]e)?|\bagpl", re.IGNORECASE), "AGPL", "1.0"),
    (
        re.compile(r"(?:library or )?lesser(?: general public)?|library general public|\blgpl", re.IGNORECASE),
        "LGPL",
        "2.0",
    ),
    (re.compile(r"server side public|\bsspl", re.IGNORECASE), "SSPL", "1.0"),
    (re.compile(r"general public licen[cs]e|\bgpl", re.IGNORECASE), "GPL", "1.0"),
)
_VERSION = re.compile(r"v?(?:ersion )?(\d)(?:\.(\d))?")
_LATER = re.compile(r"or\s+(?:any\s+)?(?:later|newer)|\+", re.IGNORECASE)
_TROVE = re.compile(r"License\s*::\s*(?:OSI Approved\s*::\s*)?", re.IGNORECASE)
_UNKNOWN = "LicenseRef-unknown"
_SEPARATOR = re.compile(r"\s*;\s*")
_OPERATOR = re.compile(r"\s+(AND|OR)\s+|([()])", re.IGNORECASE)


@lru_cache(maxsize=1)
def licensing() -> Licensing:
    """Return the SPDX licence list; loaded on first use, because it is large."""
    return get_spdx_licensing()


def expression_of(words: str) -> LicenseExpression | None:
    """Return the SPDX expression for ``words``, None when it is not known.

    pip-licenses joins classifiers with ``;`` and does not say whether the user may choose one: all of them count.
    """
    parts = [_spdx_text(part) for part in _SEPARATOR.split(words.strip()) if part]
    if not parts or any(not part for part in parts):
        return None
    return _parsed(" AND ".join(f"({part})" for part in parts))


def lenient_expression_of(words: str) -> LicenseExpression | None:
    """Return the expression for ``words`` in which ``LicenseRef-unknown`` stands for each part that is not known.

    None where not even the parts can be told; a part in words that names a family of licences is one of that family.
    """
    parts = [_spdx_text(part, unknown=_UNKNOWN) or _UNKNOWN for part in re.split(r"[;,/|&]", words) if part.strip()]
    try:
        return licensing().parse(" AND ".join(f"({part})" for part in parts), validate=False) if parts else None
    except (ExpressionError, AssertionError, LookupError, TypeError):
        return None


def _spdx_text(words: str, unknown: str = "?") -> str:
    """Return ``words`` as an SPDX expression, an empty text when they cannot be mapped; ``unknown`` stands for such a part."""
    # pip-licenses takes it off a trove classifier, cyclonedx-py does not.
    words = _TROVE.sub("", words.strip())
    if _valid(words):
        return words
    whole = _single(words)
    if whole:
        return whole
    # Free text between operators: each operand is mapped by itself.
    pieces = _OPERATOR.split(words)
    if len(pieces) == 1:
        return ""
    made = []
    for index in range(0, len(pieces), 3):
        operand = pieces[index].strip()
        operator = (pieces[index + 1] or pieces[index + 2] or "") if index + 2 < len(pieces) else ""
        if operand:
            made.append(_single(operand) or (operand if _valid(operand) else unknown))
        if operator:
            made.append(operator.upper())
    text = " ".join(made)
    return text if "?" not in made and (unknown in made or _valid(text)) else ""


def _single(words: str) -> str:
    """Return the SPDX id of one licence written as free text, an empty text when it is not known."""
    plain = " ".join(words.lower().split())
    if plain in _FREE_TEXT:
        return _FREE_TEXT[plain]
    # "Library or Lesser" is the name of one licence, and "or later" is not a choice between two.
    if re.search(r"(?<!library)\s(and|or)\s(?!any|later|newer)", plain):
        return ""
    for pattern, prefix, oldest in _FAMILIES:
        if pattern.search(plain):
            found = _VERSION.search(plain)
            version = f"{found[1]}.{found[2] or '0'}" if found else oldest
            later = found is None or bool(_LATER.search(plain))
            spdx = f"{prefix}-{version}" + ("" if prefix == "SSPL" else "-or-later" if later else "-only")
            # A version that does not exist still belongs to the family.
            return spdx if _valid(spdx) else f"{prefix}-{oldest}" + ("" if prefix == "SSPL" else "-or-later")
    return ""


def _valid(words: str) -> bool:
    return _parsed(words) is not None


def _parsed(words: str) -> LicenseExpression | None:
    try:
        return licensing().parse(words, validate=True)
    except (ExpressionError, AssertionError, LookupError, TypeError):
        # For some malformed input, such as empty brackets, the parser raises errors of its own.
        return None

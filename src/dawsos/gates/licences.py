"""No dependency carries a licence that the policy does not allow; an unknown licence is not allowed.

Three rules, in this order: what ``forbid`` names never passes, what ``allow`` names passes, and everything else (LGPL,
MPL, a licence that the package does not state) passes only for a package that ``listed`` names with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dawsos.gates.evidence import EvidencePath, Missing, canonical, get, one, parse_json, rows, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

# Free text as packages write it, to SPDX.  What is not here and not SPDX is unknown, and unknown blocks.
_FREE_TEXT = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "expat license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
_ALLOWED = ("MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0", "Unlicense", "Zlib")
# Full names, longest first, to the words that ``forbid`` is written in: "Lesser General Public" holds "General Public".
# "or later" goes before the split at OR, else "later" would be a licence of its own and a way around ``forbid``.
_FULL_NAMES = (
    (re.compile(r"\s+or\s+(?:any\s+)?(?:later|newer)(?:\s+version)?", re.IGNORECASE), "+"),
    (re.compile(r"(?:library or )?lesser general public licen[cs]e", re.IGNORECASE), "LGPL"),
    (re.compile(r"library general public licen[cs]e", re.IGNORECASE), "LGPL"),
    (re.compile(r"affero general public licen[cs]e", re.IGNORECASE), "AGPL"),
    (re.compile(r"server side public licen[cs]e", re.IGNORECASE), "SSPL"),
    (re.compile(r"general public licen[cs]e", re.IGNORECASE), "GPL"),
)
_OPERATORS = ((re.compile(r"\s+OR\s+", re.IGNORECASE), any), (re.compile(r"\s+AND\s+|\s*;\s*", re.IGNORECASE), all))


class Options(Strict):
    """pip-licenses' JSON ``report``; ``listed`` accepts packages by name with a reason, but never what ``forbid`` names."""

    report: EvidencePath = "licences.json"
    allow: tuple[str, ...] = _ALLOWED
    listed: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    forbid: tuple[Annotated[str, Field(min_length=2)], ...] = ("GPL", "AGPL", "SSPL")


@dataclass(frozen=True)
class _Policy:
    allow: frozenset[str]
    forbid: re.Pattern[str]
    listed: bool


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    packages = rows(options.report, parse_json(options.report, one(evidence, options.report), list), "it")
    if not packages:
        raise Missing(f"{options.report} names no package")
    listed = {canonical(package): reason for package, reason in options.listed.items()}
    bad, by_name = [], []
    for package in packages:
        own = str(get(options.report, package, "Name"))
        licence = str(package.get("License") or "UNKNOWN").strip()
        finding = f"{own} {package.get('Version', '')}: {licence}"
        if allowed(licence, options, listed=False):
            continue
        if canonical(own) in listed and allowed(licence, options, listed=True):
            by_name.append(f"{finding}, listed: {listed[canonical(own)]}")
        else:
            bad.append(finding)
    exceptions = f", {len(by_name)} listed by name" if by_name else ""
    return verdict(
        (name, "licences"),
        not bad,
        f"{len(bad)} of {len(packages)} packages not allowed{exceptions}",
        "0 not allowed",
        message=bad[0] if bad else "every licence is allowed",
        evidence=[options.report],
        findings=[*bad, *by_name],
    )


def allowed(expression: str, options: Options, *, listed: bool) -> bool:
    """Return whether the policy allows ``expression``: OR needs one side, AND (and ``;``) both, WITH keeps its licence.

    pip-licenses joins classifiers by ``;`` without saying whether the user may choose: both must be allowed.
    """
    # A letter before it makes it another licence: LGPL is not GPL.
    words = "|".join(re.escape(word) for word in options.forbid)
    forbid = re.compile(rf"(?<![A-Za-z])(?:{words})" if words else r"(?!)", re.IGNORECASE)
    text = expression
    for full_name, word in _FULL_NAMES:
        text = full_name.sub(word, text)
    return _allowed(text, _Policy(frozenset(spdx.lower() for spdx in options.allow), forbid, listed))


def _allowed(expression: str, policy: _Policy) -> bool:
    text = expression.strip()
    while text.startswith("(") and _closes_at_end(text):
        text = text[1:-1].strip()
    for operator, combine in _OPERATORS:
        parts = _split(text, operator)
        if len(parts) > 1:
            return combine(_allowed(part, policy) for part in parts)
    if policy.forbid.search(text):
        return False
    base = re.split(r"\s+WITH\s+", text, flags=re.IGNORECASE)[0]
    return policy.listed or _FREE_TEXT.get(base.lower(), base).lower() in policy.allow


def _closes_at_end(text: str) -> bool:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return index == len(text) - 1
    return False


def _split(text: str, operator: re.Pattern[str]) -> list[str]:
    """Split at ``operator`` outside parentheses."""
    parts, start = [], 0
    for match in operator.finditer(text):
        before = text[: match.start()]
        if before.count("(") == before.count(")"):
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]

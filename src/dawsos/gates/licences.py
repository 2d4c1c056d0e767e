"""No dependency carries a licence that the policy does not allow; an unknown licence is not allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import Malformed, Missing, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

# Free text as packages write it, to SPDX.  What is not here and not SPDX is unknown, and unknown blocks.
_FREE_TEXT = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "expat license": "MIT",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
_ALLOWED = ("MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0", "Unlicense", "Zlib")


class Options(Strict):
    """pip-licenses' JSON ``report``; ``listed`` names packages accepted with their reason (for MPL-2.0 or LGPL)."""

    report: str = "licences.json"
    allow: tuple[str, ...] = _ALLOWED
    listed: dict[str, str] = Field(default_factory=dict)


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    packages = parse_json(options.report, one(evidence, options.report), list)
    if not packages:
        raise Missing(f"{options.report} names no package")
    bad = []
    for package in packages:
        if not isinstance(package, dict) or "Name" not in package:
            raise Malformed(f"{options.report} holds an entry without a Name")
        licence = str(package.get("License") or "UNKNOWN")
        if package["Name"] not in options.listed and not allowed(licence, options.allow):
            bad.append(f"{package['Name']} {package.get('Version', '')}: {licence}")
    return verdict(
        (name, "licences"), not bad, f"{len(bad)} of {len(packages)} packages not allowed", "0 not allowed",
        message=bad[0] if bad else "every licence is allowed", evidence=[options.report], findings=bad,
    )  # fmt: skip


def allowed(expression: str, allow: tuple[str, ...]) -> bool:
    """Return whether the policy allows ``expression``: OR needs one side, AND (and ``;``) both, WITH keeps its licence."""
    text = expression.strip()
    while text.startswith("(") and _closes_at_end(text):
        text = text[1:-1].strip()
    for operator, combine in ((r"\s+OR\s+", any), (r"\s+AND\s+|\s*;\s*", all)):
        parts = _split(text, operator)
        if len(parts) > 1:
            return combine(allowed(part, allow) for part in parts)
    base = re.split(r"\s+WITH\s+", text)[0]
    return _FREE_TEXT.get(base.lower(), base) in allow


def _closes_at_end(text: str) -> bool:
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return index == len(text) - 1
    return False


def _split(text: str, operator: str) -> list[str]:
    """Split at ``operator`` outside parentheses."""
    parts, start = [], 0
    for match in re.finditer(operator, text):
        before = text[: match.start()]
        if before.count("(") == before.count(")"):
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]

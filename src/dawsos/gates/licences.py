"""No dependency carries a licence that the policy does not allow; an unknown licence is not allowed.

Three rules, in this order: a licence in ``forbid`` never passes, a licence in ``allow`` passes, and everything else (LGPL,
MPL, a licence that the package does not state) passes only for a package that ``listed`` names with a reason.  Packages
of the base image (deb, apk, rpm) are counted in what was measured, and the rules do not apply to them.
"""

from __future__ import annotations

from typing import Annotated

from license_expression import LicenseExpression, LicenseSymbol, LicenseWithExceptionSymbol
from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, get_text, parse_json, required_file, rows
from dawsos.gates.readers.licence_words import expression_of, lenient_expression_of
from dawsos.gates.readers.spdx import Package, read_packages
from dawsos.model.json import Json
from dawsos.model.names import canonical_package
from dawsos.model.pipeline import GateOptions

_ALLOWED = ("MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0", "Unlicense", "Zlib")


class Options(GateOptions):
    """``report`` is pip-licenses' JSON or an SPDX or CycloneDX file.

    ``listed`` accepts packages by name with a reason, also packages that ship other programs; never a licence in ``forbid``.
    """

    report: EvidencePath = "licences.json"
    allow: tuple[str, ...] = _ALLOWED
    listed: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    forbid: tuple[Annotated[str, Field(min_length=2)], ...] = ("GPL", "AGPL", "SSPL")


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    packages = _packages(options.report, parse_json(options.report, required_file(evidence, options.report)))
    own = [package for package in packages if package.scope == "application"]
    if not own:
        raise Missing(f"{options.report} names no package of the application")
    listed = {canonical_package(package): reason for package, reason in options.listed.items()}
    bad, by_name = [], []
    for package in own:
        problem = _problem(package, options)
        if problem is None:
            continue
        reason = listed.get(canonical_package(package.name))
        if reason is not None and allowed(package.licence, options, listed=True):
            by_name.append(f"{problem}, listed: {reason}")
        else:
            bad.append(problem)
    base = [package for package in packages if package.scope == "base"]
    measured = f"{len(bad)} of {len(own)} packages not allowed" + (
        f", {len(by_name)} listed by name" if by_name else ""
    )
    if base:
        copyleft = sum(not allowed(package.licence, options, listed=True) for package in base)
        measured += f"; base image: {len(base)} packages, {copyleft} copyleft or unknown, not checked"
    return Measurement(
        "fail" if bad else "pass",
        measured,
        "0 not allowed",
        message=bad[0] if bad else "every licence is allowed",
        evidence=(options.report,),
        findings=(*bad, *by_name),
        unchecked=bool(base),
    )


def _packages(name: str, document: Json) -> list[Package]:
    if isinstance(document, dict):
        return read_packages(name, document)[1]
    return [
        Package(
            get_text(name, row, "Name"),
            str(row.get("Version", "")),
            "pypi",
            str(row.get("License") or "UNKNOWN").strip(),
        )
        for row in rows(name, document)
    ]


def _problem(package: Package, options: Options) -> str | None:
    finding = f"{package.name} {package.version}: {package.licence}"
    if not allowed(package.licence, options, listed=False):
        return finding if expression_of(package.licence) is not None else f"{finding} (unknown)"
    if package.programs:
        # The licence is that of the wrapper; the program has another, which the metadata does not name.
        return f"{finding}, and ships a program whose licence it does not name: {package.programs[0]}"
    return None


def allowed(words: str, options: Options, *, listed: bool) -> bool:
    """Return whether the policy allows ``words``: OR needs one side, AND (and ``;``) both, WITH keeps its licence.

    With ``listed`` everything is allowed that is not forbidden, also an unknown licence, but not beside a forbidden one.
    """
    expression = expression_of(words)
    if expression is None:
        # Its parts that are known still count: nobody listed a name to let a forbidden licence pass.
        known = lenient_expression_of(words)
        return listed and (known is None or _allowed(known, options, listed=True))
    return _allowed(expression, options, listed=listed)


def _allowed(expression: LicenseExpression, options: Options, *, listed: bool) -> bool:
    if isinstance(expression, LicenseWithExceptionSymbol):
        return _allowed(expression.license_symbol, options, listed=listed)
    if isinstance(expression, LicenseSymbol):
        key = expression.key.lower()
        # SPDX ids begin with the family: GPL-3.0-only belongs to GPL, LGPL-3.0-only does not.
        if any(key == word.lower() or key.startswith(f"{word.lower()}-") for word in options.forbid):
            return False
        return listed or key in {word.lower() for word in options.allow}
    combine = any if expression.operator.strip() == "OR" else all
    return combine(_allowed(argument, options, listed=listed) for argument in expression.args)


GATE = GateKind(Options, files, evaluate)

"""The bill of materials is there and is not empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from dawsos.gates.evidence import EvidencePath, Malformed, one, parse_json, rows, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """An SPDX or CycloneDX JSON ``report`` with at least ``min_packages`` packages."""

    report: EvidencePath = "sbom.json"
    min_packages: int = Field(default=1, ge=1)


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    form, packages = _packages(options.report, parse_json(options.report, one(evidence, options.report)))
    named = {str(package["name"]) for package in packages if package.get("name")}
    good = len(named) >= options.min_packages
    return verdict(
        (name, "sbom"),
        good,
        f"{len(named)} packages ({form})",
        f"at least {options.min_packages}",
        message="complete" if good else f"only {len(named)} packages: what made it did not see the dependencies",
        evidence=[options.report],
    )


def _packages(name: str, document: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return the form and the packages; a form without its list has none, which the gate then refuses."""
    if "spdxVersion" in document:
        return "SPDX", rows(name, document.get("packages", []), "packages")
    if document.get("bomFormat") == "CycloneDX":
        return "CycloneDX", rows(name, document.get("components", []), "components")
    raise Malformed(f"{name} is neither SPDX nor CycloneDX")

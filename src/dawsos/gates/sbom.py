"""The bill of materials is there and is not empty."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import Malformed, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """An SPDX or CycloneDX JSON ``report`` with at least ``min_packages`` packages."""

    report: str = "sbom.json"
    min_packages: int = Field(default=1, ge=1)


def files(options: Options) -> tuple[str, ...]:
    return (options.report,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    document = parse_json(options.report, one(evidence, options.report))
    packages = document.get("packages") if "spdxVersion" in document else document.get("components", [])
    if "spdxVersion" not in document and document.get("bomFormat") != "CycloneDX":
        raise Malformed(f"{options.report} is neither SPDX nor CycloneDX")
    if not isinstance(packages, list):
        raise Malformed(f"{options.report}: its packages are not a list")
    named = {str(package.get("name")) for package in packages if isinstance(package, dict) and package.get("name")}
    good = len(named) >= options.min_packages
    return verdict(
        (name, "sbom"), good, f"{len(named)} packages", f"at least {options.min_packages}",
        message="complete" if good else "too few packages: what made it did not see the dependencies", evidence=[options.report],
    )  # fmt: skip

"""Export rights: a document may leave the service only if every source in it allows that. Unknown means no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """What the contract with one provider allows, and the line it asks for."""

    provider: str
    allows_pdf: bool
    allows_csv: bool
    attribution: str


@dataclass(frozen=True, slots=True)
class ExportDecision:
    """`refused` is empty when the export is allowed; `attributions` are the lines it must then carry."""

    refused: tuple[str, ...]
    attributions: tuple[str, ...]


def may_export_pdf(sources: Iterable[str], rights: Mapping[str, Right]) -> ExportDecision:
    """Decide on a document made of these sources."""
    used = sorted(set(sources))
    refused = tuple(_reason(source, rights) for source in used if source not in rights or not rights[source].allows_pdf)
    lines = tuple(rights[source].attribution for source in used if source in rights and rights[source].attribution)
    return ExportDecision(refused, () if refused else lines)


def _reason(source: str, rights: Mapping[str, Right]) -> str:
    if source not in rights:
        return f"{source}: no rights are recorded, and unknown means no"
    return f"{source}: the contract does not allow PDF export"

"""What a comparison of answers found: the canary's answers against those of the stable release, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

# ``skipped``: there was nothing to compare, or it was not asked for.
ComparisonVerdict = Literal["pass", "fail", "no_data", "skipped"]
DifferenceKind = Literal[
    "answer", "status", "body", "missing", "type", "emptied", "text", "new", "value", "order", "header", "size", "time",
]  # fmt: skip
# What stands before the canary's value in a sentence.
_NAMES = {"status": "status", "body": "the body is", "text": "the text is", "size": "size", "time": "time"}


def _known(kind: type[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {key: value for key, value in body.items() if key in names}


@dataclass(frozen=True)
class Difference:
    """One difference beyond the noise: ``count`` of the canary's ``of`` answers have it.

    ``where`` is the place in the answer (``items[].price``, a header, empty for the whole).  ``fails``: it is proven, and of a kind
    that users must not meet.  ``undecided``: of such a kind, in too few answers for a proof.  ``allowed`` is the reason for which
    pipeline.yaml allows it.
    """

    kind: DifferenceKind
    where: str = ""
    stable: str = ""
    canary: str = ""
    count: int = 0
    of: int = 0
    fails: bool = False
    undecided: bool = False
    allowed: str = ""

    @property
    def sentence(self) -> str:
        """The difference as part of a sentence."""
        share = "" if self.count == self.of else f" in {self.count} of {self.of} answers"
        told = {
            "missing": f"{self.where} is missing{share}",
            "new": f"{self.where} is new{share}: {self.canary}",
            "emptied": f"{self.where} is an empty list{share}",
            "order": f"{self.where} is in another order{share}",
            "answer": f"{self.canary}{share}, and stable answers {self.stable}",
        }
        if self.kind in told:
            return told[self.kind]
        before = f"{self.where} is" if self.kind == "type" else f"{_NAMES.get(self.kind, '')} {self.where}".strip()
        return f"{before} {self.canary or 'none'}{share}, in stable {self.stable or 'none'}"

    @property
    def verdict(self) -> str:
        """What becomes of it, in one word."""
        if self.allowed:
            return "allowed"
        return "fails" if self.fails else "undecided" if self.undecided else "shown"

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the difference that plain values hold."""
        return cls(**_known(cls, body))


@dataclass(frozen=True)
class PageSide:
    """What one release answered: how many answers, the status of each in words, and the medians of size and time."""

    answers: int = 0
    status: str = ""
    bytes: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the side that plain values hold."""
        return cls(**_known(cls, body))


@dataclass(frozen=True)
class ComparedPage:
    """One declared request, compared.

    ``noise`` are the places in which stable differs from itself, ``omitted`` is the number of differences that are not listed.
    """

    method: str
    path: str
    verdict: ComparisonVerdict
    reason: str = ""
    stable: PageSide = PageSide()
    canary: PageSide = PageSide()
    differences: tuple[Difference, ...] = ()
    omitted: int = 0
    noise: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the page that plain values hold."""
        known = _known(cls, body)
        known["stable"] = PageSide.read(body.get("stable", {}))
        known["canary"] = PageSide.read(body.get("canary", {}))
        known["differences"] = tuple(Difference.read(one) for one in body.get("differences", ()))
        known["noise"] = tuple(body.get("noise", ()))
        return cls(**known)

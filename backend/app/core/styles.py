"""Style tilts: which share of a portfolio is growth, value, momentum, quality, against a neutral half.

A tilt is (share of the covered weight that meets the style's rule) - 0.5, so it lies between -0.5 and +0.5. Holdings
without the figures a rule needs are not guessed: they lower the coverage, which is reported beside the tilt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.money import divide, quantize

NEUTRAL = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class StyleFigures:
    """What the rules look at; None where it is not known. A loss has no price/earnings ratio."""

    price_earnings: Decimal | None = None
    price_book: Decimal | None = None
    six_month_return: Decimal | None = None
    return_on_equity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tilt:
    """One style: `tilt` is None when no holding has the figure; both are fractions."""

    tilt: Decimal | None
    coverage: Decimal


# Each rule gives None when it cannot tell.
RULES: Mapping[str, Callable[[StyleFigures], bool | None]] = {
    "growth": lambda f: None if f.price_earnings is None else f.price_earnings > 25,
    "value": lambda f: None if f.price_book is None else f.price_book < 2,
    "momentum": lambda f: None if f.six_month_return is None else f.six_month_return > Decimal("0.15"),
    "quality": lambda f: None if f.return_on_equity is None else f.return_on_equity > Decimal("0.15"),
}


def tilts(holdings: Sequence[tuple[Decimal, StyleFigures]]) -> dict[str, Tilt]:
    """Tilts by style of holdings given as (value, figures); of nothing there is no tilt and no coverage."""
    total = sum((value for value, _ in holdings), Decimal(0))
    found = {}
    for style, rule in RULES.items():
        judged = [(value, rule(figures)) for value, figures in holdings]
        covered = sum((value for value, verdict in judged if verdict is not None), Decimal(0))
        meeting = sum((value for value, verdict in judged if verdict), Decimal(0))
        if total <= 0 or covered <= 0:
            found[style] = Tilt(None, Decimal(0))
        else:
            found[style] = Tilt(quantize(divide(meeting, covered) - NEUTRAL), quantize(divide(covered, total)))
    return found

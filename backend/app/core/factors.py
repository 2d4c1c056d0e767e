"""What moved a portfolio day by day: its returns explained by factors that the packs themselves hold.

`market` is the mean price change of the whole universe, each security in its own currency; `dollar` is the change of
the dollar against the euro. Factors that would need licensed or foreign data (credit, inflation expectations) are left
to callers who have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from app.core.attribution import simple_return
from app.core.history import Mark
from app.core.money import quantize
from app.core.performance import DatedPeriod
from app.core.regression import Fit, Moments, fit
from app.core.series import mean
from app.core.twr import growth

# Sixty days of trading are a quarter, 252 a year: fewer say little, more speak of another portfolio.
FEWEST = 60
WINDOW = 252
PLACES = Decimal("1e-12")


def market_return(before: Mark, after: Mark) -> Decimal:
    """Mean price change of the securities that both packs price."""
    old, new = before.pack.price_of(), after.pack.price_of()
    return mean([simple_return(old[symbol].close, new[symbol].close) for symbol in sorted(old.keys() & new.keys())])


def dollar_return(before: Mark, after: Mark) -> Decimal:
    """Change of the euros that a dollar buys."""
    return simple_return(before.pack.table().rate("USD", "EUR"), after.pack.table().rate("USD", "EUR"))


def explain(periods: Sequence[DatedPeriod], marks: Sequence[Mark]) -> Fit:
    """Least squares over the newest year of returns.

    Raises ValueError for fewer than sixty returns, and where nothing moved or the factors moved as one.
    """
    steps = {after.day: (before, after) for before, after in pairwise(marks)}
    used = [p for p in periods if p.day in steps][-WINDOW:]
    if len(used) < FEWEST:
        raise ValueError(f"{len(used)} returns are too few to explain; {FEWEST} are needed")
    # A day that begins with next to nothing can have a return with no room for twelve decimals.
    returns = [quantize(growth(p.period) - 1, PLACES) for p in used]
    factors = {
        "market": [market_return(*steps[p.day]).quantize(PLACES) for p in used],
        "dollar": [dollar_return(*steps[p.day]).quantize(PLACES) for p in used],
    }
    return fit(Moments.of(returns, factors))

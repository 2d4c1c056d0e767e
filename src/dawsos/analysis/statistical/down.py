"""The fast path of one stream: the canary is bad in more than a quarter of its requests, and more often than stable is.  Pure.

Both bets must be won, so each of the two hypotheses alone bounds how often a healthy canary is called down.  Neither is capped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dawsos.analysis.statistical.statistics import Coin, Mixture, Table

PLAINLY_DOWN = 0.25
_SHARES = (0.5, 0.7, 0.9, 0.99)
COIN = Coin.against(PLAINLY_DOWN, _SHARES)


class Down:
    """``share`` bets that more than a quarter is bad, ``apart`` that it is more than stable's; ``alpha`` is its part."""

    def __init__(self, weights: Sequence[float], alpha: float) -> None:
        self.share = Mixture([1.0] * len(_SHARES))
        self.apart = Mixture(weights)
        self.proof = -math.log(alpha)
        self.table = Table()

    def restart(self, share: float) -> None:
        """Stake anew; what is told to a person begins here, too."""
        self.share.restart(share)
        self.apart.restart(share)
        self.table = Table()

    def see(self, table: Table, power: float) -> None:
        """Take in one tick."""
        self.table = self.table.plus(table)
        self.share.multiply(COIN.factors(table.canary, table.bad_canary, power))

    @property
    def log_e(self) -> float:
        """Return the log wealth of that bet which has less."""
        return min(self.share.log_wealth(), self.apart.log_wealth())

    @property
    def proven(self) -> bool:
        return self.log_e >= self.proof

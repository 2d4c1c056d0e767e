"""Do the bad requests of a stream come one by one, or in crowds: many of one user, all on one version?  Pure.

All bets take it that each request is routed for itself.  Where users stick to a version, one broken user is many bad requests on one
side.  Two things show it, and both are the past when a bet is made, so that every bet remains a bet:

- *Against stable*: the same bets as those against the canary, the other way round.  Routing that is blind to the version wins them
  no more often for stable than for the canary; a crowd on stable wins them at once.  A bad canary never does.
- *A burst of the canary that came and went*: so many bad requests that they made it suspicious, then as many good ones as there would
  be hardly ever if the fault went on.

From then on ``CROWD`` bad requests count as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dawsos.analysis.statistical.statistics import Mixture, Table

CROWD = 25
# A burst has at least so many bad requests, and is over after so many times the good ones that lie between two of them.
BURST_BAD, QUIET = 8, 8.0
SHOWN = math.log(20.0)


class Crowd:
    """One stream's doubt that its requests are independent; ``size`` is how many bad ones count as one."""

    def __init__(self, weights: Sequence[float], size: int) -> None:
        self.size = size
        self.against = Mixture(weights)
        self.bad = self.requests = self.quiet = 0

    def restart(self, share: float) -> None:
        """Stake anew, when the bets against the canary are."""
        self.against.restart(share)

    @property
    def power(self) -> float:
        """Return the exponent of each factor of the stream's bets."""
        return 1.0 / self.size

    @property
    def possible(self) -> bool:
        """Whether there is still something to be shown."""
        return self.size < CROWD

    def see(self, table: Table, against: Sequence[float], *, ahead: bool, suspicious: bool) -> bool:
        """Take in one bin, ``against`` being its log factors against stable; return whether a crowd is shown by it.

        ``ahead``: something speaks against the canary; ``suspicious``: this stream does, and strongly."""
        self.against.multiply(against)
        self.quiet = 0 if table.bad_canary else self.quiet + table.canary
        self.bad += table.bad_canary
        self.requests += table.canary if ahead else 0
        # Two standard errors fewer than there were: what makes a canary suspicious is often its bad luck.
        fewest = self.bad - 2.0 * math.sqrt(self.bad)
        over = self.bad >= BURST_BAD and self.quiet * fewest >= QUIET * max(1, self.requests - self.quiet)
        shown = self.against.log_wealth() >= SHOWN or (over and suspicious)
        if shown:
            self.size = CROWD
        if over or not ahead:
            self.bad = self.requests = 0
        return shown

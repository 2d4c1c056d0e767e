"""E-values and confidence sequences of the judge.  Pure, standard library only, everything in logarithms.

An *e-value* is a bet against a hypothesis: it starts at 1, is never negative, and while the hypothesis holds its mean is at
most 1 whenever one looks.  So it ever reaches 1/alpha with probability alpha at most (Ville's inequality), however often it
is looked at: that is what allows a decision every second.

Sources: Shafer, "Testing by betting" (2021); Howard, Ramdas et al., "Time-uniform Chernoff bounds via nonnegative
supermartingales" (2020); Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests" (2021);
Shin, Ramdas and Rinaldo, "E-detectors" (2022) for the restarts.  The bound of ``comparison`` is derived in docs/judge.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NEVER = -math.inf


class Table(NamedTuple):
    """One time bin: ``bad_canary`` of ``canary`` requests against ``bad_stable`` of ``stable`` ones."""

    canary: int = 0
    bad_canary: int = 0
    stable: int = 0
    bad_stable: int = 0

    def plus(self, other: Table) -> Table:
        """Return the sum of two bins that had the same traffic shares."""
        return Table(
            self.canary + other.canary,
            self.bad_canary + other.bad_canary,
            self.stable + other.stable,
            self.bad_stable + other.bad_stable,
        )

    @property
    def requests(self) -> int:
        return self.canary + self.stable


class Bet(NamedTuple):
    """The likelihood ratio of one table as a function of the odds ratio: see ``comparison``."""

    slope: int
    size: int
    share: float
    inverse: bool


_NO_BET = Bet(0, 0, 0.0, False)


def bet(table: Table) -> Bet:
    """Return what ``table`` bets: its log likelihood ratio of odds ratio v is ``slope*ln(v) - size*ln(1+share*(v-1))``
    (with 1/v and -slope for v when ``inverse``).

    Given the margins, the canary's bad requests are (noncentral) hypergeometric.  Their generating function has only real
    roots, so they are a sum of independent coins; Jensen's inequality over these coins bounds the normaliser from above by
    that of equal coins.  There are four ways to see the same table as coins; the one with the fewest is the tightest.
    """
    bad = table.bad_canary + table.bad_stable
    total = table.requests
    if not table.canary or not table.stable or not bad:
        return _NO_BET
    fewest = min(bad, total - bad, table.canary, table.stable)
    if fewest == bad:
        return Bet(table.bad_canary, bad, table.canary / total, False)
    if fewest == table.canary:
        return Bet(table.bad_canary, table.canary, bad / total, False)
    if fewest == table.stable:
        return Bet(table.bad_stable, table.stable, bad / total, True)
    return Bet(table.canary - table.bad_canary, total - bad, table.canary / total, True)


def log_likelihood(made: Bet, odds: float) -> float:
    """Return the bounded log likelihood of ``odds``, up to a constant that is the same for all odds."""
    value = 1.0 / odds if made.inverse else odds
    return made.slope * math.log(value) - made.size * math.log1p(made.share * (value - 1.0))


def comparison(table: Table, psi: float, rho: float) -> float:
    """Return the log e-value of one bin against "the canary's odds of a bad answer are at most ``rho`` times stable's".

    ``psi`` > ``rho`` >= 1 is the odds ratio that is bet on.  The rate that both versions share cancels, so that under
    random routing of requests a fault that hits both is nobody's fault, whatever it does in time.
    """
    made = bet(table)
    return log_likelihood(made, psi) - log_likelihood(made, rho) if made.size else 0.0


def log_sum(values: Sequence[float]) -> float:
    """Return ln(sum(exp(values))) without overflow; ``NEVER`` for nothing."""
    top = max(values, default=NEVER)
    return top if top == NEVER else top + math.log(sum([math.exp(value - top) for value in values]))


class Mixture:
    """A portfolio of bets with a reserve: wealth = sum of stakes + reserve.  Starts at 1.

    ``restart`` puts a share of the reserve on the table, split by ``weights``, so that a healthy past, which ruins the old
    stakes, does not hide a late fault.  Staking and scaling down depend on the past alone or lose money, so that wealth
    remains an e-process.
    """

    __slots__ = ("reserve", "stakes", "weights")

    def __init__(self, weights: Sequence[float]) -> None:
        total = sum(weights)
        self.weights = [math.log(weight / total) for weight in weights]
        self.stakes = [NEVER] * len(self.weights)
        self.reserve = 1.0

    def restart(self, share: float) -> None:
        """Stake ``share`` of the reserve."""
        stake = share * self.reserve
        if stake <= 0.0:
            return
        self.reserve -= stake
        fresh = math.log(stake)
        self.stakes = [_add(old, fresh + weight) for old, weight in zip(self.stakes, self.weights, strict=True)]

    def multiply(self, factors: Sequence[float]) -> None:
        """Let every stake win or lose by its log factor."""
        self.stakes = [stake + factor for stake, factor in zip(self.stakes, factors, strict=True)]

    def lower(self, places: slice, most: float) -> None:
        """Scale the stakes in ``places`` down so that the logarithm of their sum is ``most`` at the highest."""
        over = log_sum(self.stakes[places]) - most
        if over > 0.0:
            self.stakes[places] = [stake - over for stake in self.stakes[places]]

    def log_wealth(self) -> float:
        """Return ln(wealth)."""
        return log_sum((*self.stakes, math.log(self.reserve))) if self.reserve > 0.0 else log_sum(self.stakes)

    def cap(self, most: float) -> None:
        """Scale the stakes down so that the log wealth is ``most`` at the highest; ``most`` > 0."""
        if self.log_wealth() > most:
            shift = most + math.log1p(-self.reserve * math.exp(-most)) - log_sum(self.stakes)
            self.stakes = [stake + shift for stake in self.stakes]


def _add(one: float, other: float) -> float:
    high, low = (one, other) if one >= other else (other, one)
    return high if low == NEVER else high + math.log1p(math.exp(low - high))


@dataclass(frozen=True)
class Coin:
    """Bets on the share of bad answers of one version: against ``limit``, on each of ``shares``.

    With every share above the limit the wealth is evidence against "the share is at most the limit", with every share below
    it against "the share is at least the limit".  Unlike ``comparison`` this takes the requests for independent.
    """

    bad: tuple[float, ...]
    good: tuple[float, ...]

    @classmethod
    def against(cls, limit: float, shares: Sequence[float]) -> Coin:
        """Return the bets as log factors of one bad and of one good answer."""
        return cls(
            tuple(math.log(share / limit) for share in shares),
            tuple(math.log1p(-share) - math.log1p(-limit) for share in shares),
        )

    def factors(self, requests: int, bad: int, power: float = 1.0) -> list[float]:
        """Return the log factors of ``bad`` among ``requests``; ``power`` < 1 where requests come in clusters."""
        lost, good = power * bad, power * (requests - bad)
        return [lost * one + good * other for one, other in zip(self.bad, self.good, strict=True)]


def confidence(requests: int, bad: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the confidence sequence of a share, from the Beta(1/2, 1/2) mixture: it holds at all times together.

    Robbins (1970), "Statistical methods related to the law of the iterated logarithm"; independent requests.
    """
    if requests <= 0:
        return 0.0, 1.0
    good = requests - bad
    mixture = _log_beta(bad + 0.5, good + 0.5) - _log_beta(0.5, 0.5)
    level = mixture + math.log(alpha)

    def outside(share: float) -> bool:
        return (bad * math.log(share) if bad else 0.0) + (good * math.log1p(-share) if good else 0.0) < level

    centre = bad / requests
    low = _edge(outside, 0.0, centre) if bad else 0.0
    high = _edge(outside, 1.0, centre) if good else 1.0
    return low, high


def _edge(outside: Callable[[float], bool], far: float, near: float) -> float:
    """Return by bisection where the sequence ends between ``far``, which is outside of it, and ``near``, its centre."""
    for _ in range(30):
        middle = (far + near) / 2.0
        if outside(middle):
            far = middle
        else:
            near = middle
    return far


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

"""The statistical judge's evidence as a state machine: one bin in, O(1) work, the state of all its bets out.  Pure.

Rule 1: what is bet next (stakes, cap, length of bins, epochs) depends on the past and on how much traffic there is, never on
        how the requests of the bin end.  Only then is the wealth of a bet evidence.
Rule 2: a bin is judged by comparison only while both versions took their share of the same traffic: not while what is in
        flight was routed by an earlier, higher weight.
Rule 3: growth is capped.  A fault must last about ``shortest_fault`` seconds before it can be proof, so that one short
        burst is not, unless the canary plainly fails (the fast path).
Rule 4: a canary that has just begun is slow because it has; and where its bad requests come in crowds, a crowd counts as one.
Rule 5: the same arithmetic, in the same order, stands in ``simulation.vector`` for thousands of rollouts at once; a test
        keeps the two equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from dawsos.analysis.statistical.crowd import Crowd
from dawsos.analysis.statistical.down import Down
from dawsos.analysis.statistical.statistics import Coin, Mixture, Table, bet, log_likelihood, log_sum

# Odds ratios bet on, and how the stakes are split over them.
ERROR_ODDS = {2.5: 0.17, 4.0: 0.27, 8.0: 0.33, 16.0: 0.19, 50.0: 0.037, 500.0: 0.003}
LATENCY_ODDS = {2.0: 0.15, 3.0: 0.2, 5.0: 0.25, 10.0: 0.2, 30.0: 0.12, 200.0: 0.08}
# Errors, requests slower than the stable release's median, p90 and p99, answers that refuse (4xx), that send elsewhere (3xx), and
# bodies smaller than nearly all of stable's.
STREAMS = (
    "errors",
    "slower than stable's median",
    "slower than stable's p90",
    "slower than stable's p99",
    "refused (4xx)",
    "redirected (3xx)",
    "small bodies",
)
STREAM_WEIGHTS = (0.54, 0.081, 0.072, 0.207, 0.045, 0.02, 0.035)
LATENCY_QUANTILES = (0.5, 0.9, 0.99)
ERRORS, REFUSED, REDIRECTED, SMALL = 0, 4, 5, 6
LATENCY = range(1, 4)
# Clients send what a release refuses: its share may differ more than that of errors.
MIX_TOLERANCE = 2.0
_ODDS_TOLERANCE = 1.5

_ABOVE = {"errors": (1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 198.0), "slow": (1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 18.0)}
_BELOW = (1e-9, 0.1, 0.2, 0.4, 0.6)

FIRST_STAKE = 0.6
STEP_STAKE = 0.12
SPREAD_STAKE = 0.6
# The parts of alpha that the streams have for "plainly down".
FAST_PARTS = {ERRORS: 0.07, REFUSED: 0.01, REDIRECTED: 0.01, SMALL: 0.01}
FAST_PART = 0.1
BURST = math.log(6.0)
SUSPICION = math.log(5.0)
CLEARED = math.log(2.0)
WORSE = math.log(2.0)
NEARLY_DOWN = math.log(4.0)
HOLD = math.log(20.0)
ROUNDING = 1e-9
HOLD_MOST = math.log(100.0)
BIN_REQUESTS, LONGEST_BIN, EPOCH = 40, 30.0, 10.0
SETTLE = 2.0


@dataclass(frozen=True)
class Rules:
    """The part of the policy that the evidence depends on.  Rates are shares, times seconds.

    ``alpha`` bounds the probability that a rollout of a healthy canary is ever rolled back by these bets; ``tolerance`` is the
    odds ratio that is still accepted; ``cluster`` is the most requests that come from one user or connection together;
    ``expected`` are the streams in which the canary may differ: nothing is bet on them.  ``start`` is for how long a canary that
    nobody has seen warm is not held to be slow.
    """

    alpha: float = 0.01
    tolerance: float = 1.5
    error_limit: float = 0.005
    slow_limit: float = 0.05
    shortest_fault: float = 10.0
    planned: float = 2100.0
    cluster: int = 1
    warm_up: float = 0.0
    warm_up_errors: bool = True
    start: float = 0.0
    expected: frozenset[int] = frozenset()
    beta: float = 0.05
    patience: float = 120.0

    @property
    def proof(self) -> float:
        """Log wealth at which the comparison is proof.  Less by a rounding error, for the cap may end exactly here."""
        return -math.log(self.alpha * (1.0 - FAST_PART)) - ROUNDING

    @property
    def growth(self) -> float:
        """Log wealth a second that the cap allows beyond one burst, for all but the first and the last bin of a fault."""
        return max(0.0, self.proof + ROUNDING - BURST) / self.shortest_fault


class Bin(NamedTuple):
    """What one tick saw.  ``tables`` are the streams in the order of ``STREAMS`` (latency tables empty when there are no
    edges yet); ``slow`` is (canary requests, of these above the latency limit)."""

    seconds: float
    weight: int
    tables: tuple[Table, ...]
    slow: tuple[int, int]


@dataclass
class Window:
    """The time since the comparison last held nothing against the canary: what the sentence for a person is about."""

    seconds: float = 0.0
    growth: float = 0.0
    tables: list[Table] = field(default_factory=lambda: [Table()] * len(STREAMS))

    def add(self, tables: list[Table], seconds: float, growth: float) -> None:
        """Take in one more judged bin."""
        self.tables = [old.plus(new) for old, new in zip(self.tables, tables, strict=True)]
        self.seconds += seconds
        self.growth += growth


class Evidence:
    """All bets of one rollout.  ``observe`` takes one bin; the attributes are the state after it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.bets = tuple(_bets(place, rules.tolerance) for place in range(len(STREAMS)))
        self._power = 1.0 / rules.cluster
        ends = list(accumulate((len(odds) for odds, _tolerated in self.bets), initial=0))
        self.slices = [slice(*pair) for pair in pairwise(ends)]
        shares = [tuple((LATENCY_ODDS if place in LATENCY else ERROR_ODDS).values()) for place in range(len(STREAMS))]
        weights = [w * s / sum(split) for w, split in zip(STREAM_WEIGHTS, shares, strict=True) for s in split]
        self.comparison = Mixture(weights)
        self.crowds = {place: Crowd(shares[place], rules.cluster) for place in FAST_PARTS}
        self.start = Mixture(weights[self.slices[LATENCY[0]].start : self.slices[LATENCY[-1]].stop])
        self.start.restart(1.0)
        self.downs = {place: Down(shares[place], rules.alpha * part) for place, part in FAST_PARTS.items()}
        self.above = {name: Mixture([1.0] * len(_ABOVE[name])) for name in _ABOVE}
        limits = {"errors": rules.error_limit, "slow": rules.slow_limit}
        self.coins: dict[str, Coin] = {}
        for name, limit in limits.items():
            self.coins[f"above {name}"] = Coin.against(limit, _shares(limit, _ABOVE[name]))
            self.coins[f"below {name}"] = Coin.against(limit, _shares(limit, _BELOW))
        self.below: dict[str, Mixture] = {}
        self.window = Window()
        self.log_e = 0.0
        self.suspected = False
        self._alarm, self._peak, self._stale = SUSPICION, CLEARED, 0.0
        self.seconds = 0.0
        self._weight = self._highest = 0
        self._settle = 0.0
        self._ceiling, self._credit = BURST, 0.0
        self._since_restart = self._epoch_seconds = 0.0
        self._epoch_requests = 0
        self._pending = [Table()] * len(STREAMS)
        self._pending_seconds = 0.0
        self._restart(FIRST_STAKE)
        self._begin_step()

    def observe(self, seen: Bin) -> None:
        """Take in one tick's bin.  Its counts must be consistent: no more bad requests than requests."""
        self._boundaries(seen)
        self._absolute(seen)
        self._settle = max(0.0, self._settle - seen.seconds)
        if self._settle <= 0.0:
            self._pending = [old.plus(new) for old, new in zip(self._pending, seen.tables, strict=True)]
        self._pending_seconds += seen.seconds
        self.seconds += seen.seconds
        requests = seen.tables[0].requests
        self._epoch_seconds += seen.seconds
        self._since_restart += seen.seconds
        self._epoch_requests += requests
        if self._pending[0].requests >= BIN_REQUESTS or self._pending_seconds >= LONGEST_BIN:
            self._flush()
        self._suspect(seen.seconds)

    def _suspect(self, seconds: float) -> None:
        """Suspicion begins at an alarm and ends when it is cleared, or goes stale: no new peak for ``patience`` seconds.
        What went stale must get worse before it alarms again, so that bad luck of long ago holds nothing for ever."""
        # Less than a rounding error is no peak.
        self._stale = 0.0 if self.log_e > self._peak + ROUNDING else self._stale + seconds
        self._peak = max(self._peak, self.log_e)
        if self.log_e < CLEARED:
            self.suspected, self._alarm, self._peak = False, SUSPICION, CLEARED
        elif not self.suspected:
            self.suspected = self.log_e >= self._alarm
        elif self._stale > self.rules.patience:
            self.suspected, self._alarm = False, self._peak + WORSE

    @property
    def failing(self) -> bool:
        """True with proof that the canary is worse than stable."""
        return self.log_e >= self.rules.proof or self.plainly_down

    @property
    def plainly_down(self) -> bool:
        """True with proof that more than a quarter of the canary's requests are bad in one way, and more than stable's."""
        return any(down.proven for down in self.downs.values())

    @property
    def above_limit(self) -> str:
        """Return which absolute limit the canary is shown to miss (``errors``, ``slow``), empty for none."""
        return next((name for name, mixture in self.above.items() if mixture.log_wealth() >= HOLD), "")

    @property
    def within_limits(self) -> bool:
        """True with proof, since this weight was set, that errors and slow requests are below their limits."""
        least = -math.log(self.rules.beta)
        return all(mixture.log_wealth() >= least for mixture in self.below.values())

    @property
    def leading(self) -> int:
        """Return the number of the stream that speaks against the canary most."""
        found = self.by_stream()
        return found.index(max(found))

    def by_stream(self) -> list[float]:
        """Return the log wealth that each stream's stakes make up."""
        return [log_sum(self.comparison.stakes[places]) for places in self.slices]

    @property
    def starting(self) -> bool:
        """True while a canary that began slowly has not had the time to show that it remains so."""
        return self.seconds < self.rules.start + self.rules.shortest_fault + 1.0 and self.slow_start

    @property
    def slow_start(self) -> bool:
        """True when the canary was slower than stable within its first seconds."""
        return self.start.log_wealth() >= SUSPICION

    @property
    def dim_factor(self) -> float:
        """Return to which part of its weight the canary may be lowered so that proof still comes as fast as it may count.

        Not at all when the canary looks plainly down: that way nothing is capped, each request counts, and proof is a few away.
        """
        if any(down.log_e >= NEARLY_DOWN for down in self.downs.values()):
            return 1.0
        if self.window.growth <= 0.0 or self.window.seconds <= 0.0:
            return 1.0
        pace = self.window.growth / self.window.seconds
        return min(1.0, max(0.1, 2.0 * self.rules.growth / pace))

    def epoch_over(self) -> bool:
        """True when the next bin begins a new epoch; depends on time and traffic only."""
        busy = self._epoch_seconds >= EPOCH and self._epoch_requests >= BIN_REQUESTS
        return busy or self._epoch_seconds >= LONGEST_BIN

    def _boundaries(self, seen: Bin) -> None:
        if seen.weight != self._weight:
            self._flush()
            if seen.weight < self._weight:
                self._settle = SETTLE + seen.seconds
            if seen.weight > self._highest and self._highest:
                self._restart(STEP_STAKE)
                self._begin_step()
            self._highest = max(self._highest, seen.weight)
            self._weight = seen.weight
        elif self.epoch_over():
            self._flush()
            self._restart(1.0 - math.exp(-SPREAD_STAKE * self._since_restart / self.rules.planned))

    def _restart(self, share: float) -> None:
        for mixture in (self.comparison, *self.above.values()):
            mixture.restart(share)
        for place, down in self.downs.items():
            down.restart(share)
            self.crowds[place].restart(share)
        self._since_restart = self._epoch_seconds = 0.0
        self._epoch_requests = 0

    def _begin_step(self) -> None:
        self.below = {name: Mixture([1.0] * len(_BELOW)) for name in _ABOVE}
        for mixture in self.below.values():
            mixture.restart(1.0)

    def _absolute(self, seen: Bin) -> None:
        errors = seen.tables[0]
        for place, down in self.downs.items():
            down.see(seen.tables[place], self.crowds[place].power)
        for name, (requests, bad) in {"errors": errors[:2], "slow": seen.slow}.items():
            self.above[name].multiply(self.coins[f"above {name}"].factors(requests, bad, self._power))
            self.above[name].cap(HOLD_MOST)
            self.below[name].multiply(self.coins[f"below {name}"].factors(requests, bad, self._power))

    def _flush(self) -> None:
        """Judge what is pending as one bin: its odds are independent of how many requests it took to fill it."""
        pending, seconds = self._pending, self._pending_seconds
        if not seconds:
            return
        self._pending, self._pending_seconds = [Table()] * len(STREAMS), 0.0
        factors = [self._factors(place, table) for place, table in enumerate(pending)]
        for place, down in self.downs.items():
            if place != SMALL or place not in self.rules.expected:
                down.apart.multiply(factors[place])
        judged = self._judged(self.seconds - seconds, factors)
        for place in range(len(STREAMS)):
            if place not in judged:
                factors[place] = [0.0] * len(factors[place])
        self.comparison.multiply([factor for stream in factors for factor in stream])
        # The first and the last bin of a burst may hold only a part of it: they earn no time.
        self._ceiling += self._credit
        self._credit = self.rules.growth * seconds if self.log_e > ROUNDING else 0.0
        raw = self.comparison.log_wealth()
        growth = raw - self.log_e
        self.comparison.cap(self._ceiling)
        self.log_e = min(raw, self._ceiling)
        self._see_crowds(pending)
        self._ceiling = min(self._ceiling, max(0.0, self.log_e) + BURST)
        if self.log_e <= ROUNDING:
            self.window = Window()
        else:
            self.window.add(pending, seconds, growth)

    def _judged(self, age: float, factors: list[list[float]]) -> set[int]:
        """Return the streams that count in a bin that began at ``age``, and keep apart what is bet on how the canary starts."""
        rules = self.rules
        judged = set(range(len(STREAMS))) - rules.expected
        if age < rules.start - 1e-9:
            # A start looks like this: slow, and failing because it is slow.  The bin itself must not say whether it counts.
            judged -= {*LATENCY, ERRORS} if self.slow_start else {*LATENCY}
            self.start.multiply([factor for place in LATENCY for factor in factors[place]])
        if age < rules.warm_up - 1e-9:
            judged = judged - {*LATENCY} if rules.warm_up_errors else set()
        return judged

    def _see_crowds(self, tables: list[Table]) -> None:
        """Ask of each stream whether its requests come in crowds; what it won until then is not counted."""
        for place, crowd in self.crowds.items():
            if not crowd.possible:
                continue
            table = tables[place]
            against = self._factors(place, Table(table.stable, table.bad_stable, table.canary, table.bad_canary))
            suspicious = self.log_e >= SUSPICION and self.leading == place
            if crowd.see(table, against, ahead=self.log_e > ROUNDING, suspicious=suspicious):
                self.comparison.lower(self.slices[place], math.log(STREAM_WEIGHTS[place]))
                self.log_e = min(self.log_e, self.comparison.log_wealth())
                for bets in (self.downs[place].share, self.downs[place].apart):
                    bets.lower(slice(None), 0.0)

    def _factors(self, place: int, table: Table) -> list[float]:
        odds, tolerated = self.bets[place]
        made = bet(table)
        if not made.size:
            return [0.0] * len(odds)
        power = self.crowds[place].power if place in self.crowds else self._power
        base = log_likelihood(made, tolerated)
        return [power * (log_likelihood(made, psi) - base) for psi in odds]


def _bets(place: int, tolerance: float) -> tuple[tuple[float, ...], float]:
    """Return the odds ratios bet on in a stream and the one that is tolerated: all of the former are above it."""
    if place in LATENCY:
        return tuple(LATENCY_ODDS), 1.0
    tolerated = tolerance if place == ERRORS else max(MIX_TOLERANCE, tolerance)
    stretch = max(1.0, tolerated / (_ODDS_TOLERANCE if place == ERRORS else MIX_TOLERANCE))
    return tuple(odds * stretch for odds in ERROR_ODDS), tolerated


def _shares(limit: float, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Return shares around ``limit``: multiples of it, below 1."""
    return tuple(min(0.99, limit * factor) if limit * factor < 1.0 else 0.99 for factor in factors)

"""``evidence.Evidence`` for many rollouts at once, in numpy: the same arithmetic in the same order, one column a rollout.

A property test feeds both the same bins and compares every decision; change neither alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dawsos.analysis.statistical import evidence as single
from dawsos.analysis.statistical.down import COIN, Down
from dawsos.analysis.statistical.statistics import Coin

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CANARY, BAD_CANARY, STABLE, BAD_STABLE = range(4)


class Mixtures:
    """``statistics.Mixture``, one column a rollout."""

    def __init__(self, weights: list[float], columns: int) -> None:
        self.weights = np.log(np.array(weights) / sum(weights))[:, None]
        self.stakes = np.full((len(weights), columns), -np.inf)
        self.reserve = np.ones(columns)

    def restart(self, share: Any, where: Flags) -> None:
        stake = np.where(where, share * self.reserve, 0.0)
        self.reserve = self.reserve - stake
        with np.errstate(divide="ignore"):
            fresh = np.log(stake)
        self.stakes = np.where(where, np.logaddexp(self.stakes, fresh + self.weights), self.stakes)

    def begin_anew(self, where: Flags) -> None:
        """Stake everything again in the columns ``where``."""
        self.stakes = np.where(where, self.weights, self.stakes)
        self.reserve = np.where(where, 0.0, self.reserve)

    def log_wealth(self) -> Floats:
        top = self.stakes.max(axis=0)
        with np.errstate(divide="ignore"):
            reserve = np.log(self.reserve)
        top = np.maximum(top, reserve)
        total = np.exp(self.stakes - top).sum(axis=0) + np.exp(reserve - top)
        return np.asarray(top + np.log(total))

    def cap(self, most: Any, wealth: Floats) -> None:
        over = wealth > most
        if not over.any():
            return
        most = np.broadcast_to(most, wealth.shape)[over]
        stakes = self.stakes[:, over]
        top = stakes.max(axis=0)
        total = top + np.log(np.exp(stakes - top).sum(axis=0))
        self.stakes[:, over] = stakes + (most + np.log1p(-self.reserve[over] * np.exp(-most)) - total)


class Streams:
    """Log factors of the tables of one stream: ``evidence.Evidence._factors`` by column."""

    def __init__(self, odds: tuple[float, ...], tolerated: float, power: float) -> None:
        self.odds = np.array(odds)[:, None]
        self.tolerated = tolerated
        self.power = power

    def factors(self, table: Ints) -> Floats:
        """Return (bets, columns) log factors of ``table``, shaped (4, columns)."""
        canary, bad_canary, stable, bad_stable = table
        bad, total = bad_canary + bad_stable, canary + stable
        good = total - bad
        fewest = np.minimum(np.minimum(bad, good), np.minimum(canary, stable))
        by_bad = fewest == bad
        by_canary = ~by_bad & (fewest == canary)
        by_stable = ~by_bad & ~by_canary & (fewest == stable)
        slope = np.where(by_bad | by_canary, bad_canary, np.where(by_stable, bad_stable, canary - bad_canary))
        size = np.where(by_bad, bad, np.where(by_canary, canary, np.where(by_stable, stable, good)))
        denominator = np.maximum(total, 1)
        share = np.where(by_canary | by_stable, bad / denominator, canary / denominator)
        inverse = ~(by_bad | by_canary)
        none = (canary == 0) | (stable == 0) | (bad == 0)
        base = self._likelihood(slope, size, share, inverse, self.tolerated)
        made = self.power * (self._likelihood(slope, size, share, inverse, self.odds) - base)
        return np.where(none, 0.0, made)

    @staticmethod
    def _likelihood(slope: Ints, size: Ints, share: Floats, inverse: Flags, odds: Any) -> Any:
        value = np.where(inverse, 1.0 / odds, odds)
        return slope * np.log(value) - size * np.log1p(share * (value - 1.0))


class Downs:
    """``down.Down``, one column a rollout."""

    def __init__(self, pattern: Down, columns: int) -> None:
        self.share, self.apart = _like(pattern.share, columns), _like(pattern.apart, columns)
        self.proof = pattern.proof

    def log_e(self) -> Floats:
        """Return the log wealth of that bet which has less."""
        return np.minimum(self.share.log_wealth(), self.apart.log_wealth())

    def reached(self, level: float) -> Flags:
        """Return where ``log_e`` is at least ``level``; hardly ever anywhere, which is cheap to see."""
        # The wealth is at most the highest stake times their number, the reserve (at most 1) included.
        if level > 0.0 and self.share.stakes.max() < level - math.log(len(self.share.stakes) + 1):
            return np.zeros(self.share.reserve.shape, dtype=bool)
        return np.asarray(self.log_e() >= level)


class VectorEvidence:
    """The state of ``columns`` rollouts' bets.  ``observe`` takes one tick of all of them."""

    def __init__(self, rules: single.Rules, columns: int) -> None:
        self.rules, self.columns = rules, columns
        pattern = single.Evidence(rules)
        power = 1.0 / rules.cluster
        self.streams = [Streams(odds, tolerated, power) for odds, tolerated in pattern.bets]
        self.power = power
        everywhere = np.ones(columns, dtype=bool)
        self.comparison = _like(pattern.comparison, columns)
        self.downs = {place: Downs(down, columns) for place, down in pattern.downs.items()}
        self.above = {name: _like(mixture, columns) for name, mixture in pattern.above.items()}
        self.below = {name: _like(mixture, columns) for name, mixture in pattern.below.items()}
        self.coins = pattern.coins
        self.log_e = np.zeros(columns)
        self.suspected = np.zeros(columns, dtype=bool)
        self.alarm = np.full(columns, single.SUSPICION)
        self.peak = np.full(columns, single.CLEARED)
        self.stale = np.zeros(columns)
        self.ceiling = np.full(columns, single.BURST)
        self.seconds = 0.0
        self.weight = np.zeros(columns, dtype=np.int64)
        self.highest = np.zeros(columns, dtype=np.int64)
        self.settle = np.zeros(columns)
        self.since_restart = np.zeros(columns)
        self.epoch_seconds = np.zeros(columns)
        self.epoch_requests = np.zeros(columns, dtype=np.int64)
        self.pending = np.zeros((len(self.streams), 4, columns), dtype=np.int64)
        self.pending_seconds = np.zeros(columns)
        self.window_growth = np.zeros(columns)
        self.window_seconds = np.zeros(columns)
        self._restart(single.FIRST_STAKE, everywhere)
        for mixture in self.below.values():
            mixture.begin_anew(everywhere)

    def observe(self, seconds: float, weight: Ints, tables: Ints, slow: Ints) -> None:
        """Take in one tick: ``tables`` is (streams, 4, columns), ``slow`` (2, columns)."""
        self._boundaries(seconds, weight)
        self._absolute(tables, slow)
        self.settle = np.maximum(0.0, self.settle - seconds)
        self.pending += np.where(self.settle <= 0.0, tables, 0)
        self.pending_seconds += seconds
        self.seconds += seconds
        self.epoch_seconds += seconds
        self.since_restart += seconds
        requests = tables[0, CANARY] + tables[0, STABLE]
        self.epoch_requests += requests
        waiting = self.pending[0, CANARY] + self.pending[0, STABLE]
        self._flush((waiting >= single.BIN_REQUESTS) | (self.pending_seconds >= single.LONGEST_BIN))
        self._suspect(seconds)

    def _suspect(self, seconds: float) -> None:
        self.stale = np.where(self.log_e > self.peak + single.ROUNDING, 0.0, self.stale + seconds)
        self.peak = np.maximum(self.peak, self.log_e)
        cleared = self.log_e < single.CLEARED
        tired = ~cleared & self.suspected & (self.stale > self.rules.patience)
        begun = ~cleared & ~self.suspected & (self.log_e >= self.alarm)
        self.suspected = (self.suspected | begun) & ~cleared & ~tired
        self.alarm = np.where(cleared, single.SUSPICION, np.where(tired, self.peak + single.WORSE, self.alarm))
        self.peak = np.where(cleared, single.CLEARED, self.peak)

    def failing(self) -> Flags:
        """Return for each rollout whether there is proof against its canary."""
        down = np.any([down.reached(down.proof) for down in self.downs.values()], axis=0)
        return np.asarray((self.log_e >= self.rules.proof) | down)

    def above_limit(self) -> Flags:
        return np.asarray(np.any([mixture.log_wealth() >= single.HOLD for mixture in self.above.values()], axis=0))

    def within_limits(self) -> Flags:
        least = -math.log(self.rules.beta)
        return np.asarray(np.all([mixture.log_wealth() >= least for mixture in self.below.values()], axis=0))

    def dim_factor(self) -> Floats:
        if not (self.window_growth > 0.0).any():
            return np.ones(self.columns)
        with np.errstate(divide="ignore", invalid="ignore"):
            pace = self.window_growth / self.window_seconds
            factor = np.minimum(1.0, np.maximum(0.1, 2.0 * self.rules.growth / pace))
        worthwhile = (self.window_growth > 0.0) & (self.window_seconds > 0.0)
        nearly = np.any([down.reached(single.NEARLY_DOWN) for down in self.downs.values()], axis=0)
        return np.where(worthwhile & ~nearly, factor, 1.0)

    def _boundaries(self, seconds: float, weight: Ints) -> None:
        changed = weight != self.weight
        busy = (self.epoch_seconds >= single.EPOCH) & (self.epoch_requests >= single.BIN_REQUESTS)
        over = ~changed & (busy | (self.epoch_seconds >= single.LONGEST_BIN))
        if not (changed.any() or over.any()):
            return
        self._flush((changed | over) & (self.pending_seconds > 0.0))
        self.settle = np.where(changed & (weight < self.weight), single.SETTLE + seconds, self.settle)
        risen = changed & (weight > self.highest) & (self.highest > 0)
        share = 1.0 - np.exp(-single.SPREAD_STAKE * self.since_restart / self.rules.planned)
        self._restart(np.where(risen, single.STEP_STAKE, share), risen | over)
        for mixture in self.below.values():
            mixture.begin_anew(risen)
        self.highest = np.maximum(self.highest, weight)
        self.weight = weight.copy()

    def _restart(self, share: Any, where: Flags) -> None:
        downs = [mixture for down in self.downs.values() for mixture in (down.share, down.apart)]
        for mixture in (self.comparison, *downs, *self.above.values()):
            mixture.restart(share, where)
        self.since_restart = np.where(where, 0.0, self.since_restart)
        self.epoch_seconds = np.where(where, 0.0, self.epoch_seconds)
        self.epoch_requests = np.where(where, 0, self.epoch_requests)

    def _absolute(self, tables: Ints, slow: Ints) -> None:
        seen = {"errors": tables[0, CANARY : BAD_CANARY + 1], "slow": slow}
        for place, down in self.downs.items():
            down.share.stakes += self._coin(COIN, *tables[place, CANARY : BAD_CANARY + 1])
        for name, (requests, bad) in seen.items():
            above = self.above[name]
            above.stakes += self._coin(self.coins[f"above {name}"], requests, bad)
            above.cap(single.HOLD_MOST, above.log_wealth())
            self.below[name].stakes += self._coin(self.coins[f"below {name}"], requests, bad)

    def _coin(self, coin: Coin, requests: Ints, bad: Ints) -> Floats:
        lost, good = self.power * bad, self.power * (requests - bad)
        return np.asarray(lost * np.array(coin.bad)[:, None] + good * np.array(coin.good)[:, None])

    def _flush(self, where: Flags) -> None:
        if not where.any():
            return
        rules = self.rules
        tables = np.where(where, self.pending, 0)
        seconds = np.where(where, self.pending_seconds, 0.0)
        self.pending[:, :, where] = 0
        self.pending_seconds = np.where(where, 0.0, self.pending_seconds)
        warm = self.seconds - seconds >= rules.warm_up - 1e-9
        factors = [stream.factors(table) for stream, table in zip(self.streams, tables, strict=True)]
        for place, down in self.downs.items():
            if place != single.SMALL or place not in rules.expected:
                down.apart.stakes += factors[place]
        for place in range(len(factors)):
            counts = warm | (place not in single.LATENCY and rules.warm_up_errors)
            factors[place] = np.where(counts & (place not in rules.expected), factors[place], 0.0)
        self.comparison.stakes += np.concatenate(factors)
        self.ceiling += np.where(self.log_e > single.ROUNDING, rules.growth * seconds, 0.0)
        raw = self.comparison.log_wealth()
        growth = raw - self.log_e
        self.comparison.cap(np.where(where, self.ceiling, np.inf), raw)
        log_e = np.minimum(raw, self.ceiling)
        self.log_e = np.where(where, log_e, self.log_e)
        self.ceiling = np.where(where, np.minimum(self.ceiling, np.maximum(0.0, log_e) + single.BURST), self.ceiling)
        clear = where & (self.log_e <= single.ROUNDING)
        self.window_growth = np.where(clear, 0.0, self.window_growth + np.where(where, growth, 0.0))
        self.window_seconds = np.where(clear, 0.0, self.window_seconds + seconds)


def _like(pattern: Any, columns: int) -> Mixtures:
    return Mixtures([math.exp(weight) for weight in pattern.weights], columns)

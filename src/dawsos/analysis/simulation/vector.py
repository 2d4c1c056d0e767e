"""``evidence.Evidence`` for many rollouts at once, in numpy: the same arithmetic in the same order, one column a rollout.

A property test feeds both the same bins and compares every decision; change neither alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dawsos.analysis.statistical import evidence as single
from dawsos.analysis.statistical.crowd import BURST_BAD, CROWD, QUIET, SHOWN, Crowd
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

    def lower(self, where: Flags, places: slice, most: float) -> None:
        """Scale the stakes in ``places`` down in the columns ``where``."""
        stakes = self.stakes[places, where]
        top = stakes.max(axis=0)
        over = top + np.log(np.exp(stakes - top).sum(axis=0)) - most
        self.stakes[places, where] = stakes - np.maximum(0.0, over)

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

    def __init__(self, odds: tuple[float, ...], tolerated: float) -> None:
        self.odds = np.array(odds)[:, None]
        self.tolerated = tolerated

    def factors(self, table: Ints, power: float | Floats) -> Floats:
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
        made = power * (self._likelihood(slope, size, share, inverse, self.odds) - base)
        return np.where(none, 0.0, made)

    @staticmethod
    def _likelihood(slope: Ints, size: Ints, share: Floats, inverse: Flags, odds: Any) -> Any:
        value = np.where(inverse, 1.0 / odds, odds)
        return slope * np.log(value) - size * np.log1p(share * (value - 1.0))


class Crowds:
    """``crowd.Crowd``, one column a rollout."""

    def __init__(self, pattern: Crowd, columns: int) -> None:
        self.size = np.full(columns, pattern.size)
        self.against = _like(pattern.against, columns)
        self.bad, self.requests, self.quiet = (np.zeros(columns, dtype=np.int64) for _ in range(3))

    @property
    def power(self) -> Floats:
        return np.asarray(1.0 / self.size)

    def see(self, where: Flags, table: Ints, against: Floats, ahead: Flags, suspicious: Callable[[], Flags]) -> Flags:
        """Take in one bin in the columns ``where``; return in which a crowd is shown by it."""
        where = where & (self.size < CROWD)
        self.against.stakes += np.where(where, against, 0.0)
        bad, requests = np.where(where, table[BAD_CANARY], 0), np.where(where, table[CANARY], 0)
        self.quiet = np.where(bad > 0, 0, self.quiet + requests)
        self.bad += bad
        self.requests += np.where(ahead, requests, 0)
        over = where & (self.bad >= BURST_BAD)
        fewest = self.bad - 2.0 * np.sqrt(self.bad)
        over &= self.quiet * fewest >= QUIET * np.maximum(1, self.requests - self.quiet)
        shown = where & (self.against.log_wealth() >= SHOWN)
        if over.any():
            shown |= over & suspicious()
        self.size = np.where(shown, CROWD, self.size)
        ended = where & (over | ~ahead)
        self.bad, self.requests = np.where(ended, 0, self.bad), np.where(ended, 0, self.requests)
        return shown


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
        self.streams = [Streams(odds, tolerated) for odds, tolerated in pattern.bets]
        self.power = 1.0 / rules.cluster
        self.slices = pattern.slices
        everywhere = np.ones(columns, dtype=bool)
        self.comparison = _like(pattern.comparison, columns)
        self.crowds = {place: Crowds(crowd, columns) for place, crowd in pattern.crowds.items()}
        self.start = _like(pattern.start, columns)
        self.start.begin_anew(everywhere)
        self.downs = {place: Downs(down, columns) for place, down in pattern.downs.items()}
        self.above = {name: _like(mixture, columns) for name, mixture in pattern.above.items()}
        self.below = {name: _like(mixture, columns) for name, mixture in pattern.below.items()}
        self.coins = pattern.coins
        self.log_e = np.zeros(columns)
        self.suspected = np.zeros(columns, dtype=bool)
        self.alarm = np.full(columns, single.SUSPICION)
        self.peak = np.full(columns, single.CLEARED)
        self.stale = np.zeros(columns)
        self.ceiling, self.credit = np.full(columns, single.BURST), np.zeros(columns)
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

    def starting(self) -> Flags:
        rules = self.rules
        if self.seconds >= rules.start + rules.shortest_fault + 1.0:
            return np.zeros(self.columns, dtype=bool)
        return self.slow_start()

    def slow_start(self) -> Flags:
        return np.asarray(self.start.log_wealth() >= single.SUSPICION)

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
        crowds = [crowd.against for crowd in self.crowds.values()]
        for mixture in (self.comparison, *downs, *self.above.values(), *crowds):
            mixture.restart(share, where)
        self.since_restart = np.where(where, 0.0, self.since_restart)
        self.epoch_seconds = np.where(where, 0.0, self.epoch_seconds)
        self.epoch_requests = np.where(where, 0, self.epoch_requests)

    def _absolute(self, tables: Ints, slow: Ints) -> None:
        seen = {"errors": tables[0, CANARY : BAD_CANARY + 1], "slow": slow}
        for place, down in self.downs.items():
            requests, bad = tables[place, CANARY], tables[place, BAD_CANARY]
            down.share.stakes += self._coin(COIN, requests, bad, self.crowds[place].power)
        for name, (requests, bad) in seen.items():
            above = self.above[name]
            above.stakes += self._coin(self.coins[f"above {name}"], requests, bad, self.power)
            above.cap(single.HOLD_MOST, above.log_wealth())
            self.below[name].stakes += self._coin(self.coins[f"below {name}"], requests, bad, self.power)

    @staticmethod
    def _coin(coin: Coin, requests: Ints, bad: Ints, power: float | Floats) -> Floats:
        lost, good = power * bad, power * (requests - bad)
        return np.asarray(lost * np.array(coin.bad)[:, None] + good * np.array(coin.good)[:, None])

    def _flush(self, where: Flags) -> None:
        if not where.any():
            return
        rules = self.rules
        tables = np.where(where, self.pending, 0)
        seconds = np.where(where, self.pending_seconds, 0.0)
        self.pending[:, :, where] = 0
        self.pending_seconds = np.where(where, 0.0, self.pending_seconds)
        factors = [self._factors(place, table) for place, table in enumerate(tables)]
        for place, down in self.downs.items():
            if place != single.SMALL or place not in rules.expected:
                down.apart.stakes += factors[place]
        self._judge(where, self.seconds - seconds, factors)
        self.comparison.stakes += np.concatenate(factors)
        self.ceiling += np.where(where, self.credit, 0.0)
        earned = np.where(self.log_e > single.ROUNDING, rules.growth * seconds, 0.0)
        self.credit = np.where(where, earned, self.credit)
        raw = self.comparison.log_wealth()
        growth = raw - self.log_e
        self.comparison.cap(np.where(where, self.ceiling, np.inf), raw)
        self.log_e = np.where(where, np.minimum(raw, self.ceiling), self.log_e)
        self._see_crowds(where, tables)
        capped = np.minimum(self.ceiling, np.maximum(0.0, self.log_e) + single.BURST)
        self.ceiling = np.where(where, capped, self.ceiling)
        clear = where & (self.log_e <= single.ROUNDING)
        self.window_growth = np.where(clear, 0.0, self.window_growth + np.where(where, growth, 0.0))
        self.window_seconds = np.where(clear, 0.0, self.window_seconds + seconds)

    def _judge(self, where: Flags, age: Floats, factors: list[Floats]) -> None:
        """Take out of ``factors`` what does not count in bins that began at ``age``."""
        rules = self.rules
        cold = where & (age < rules.start - 1e-9)
        warming = age < rules.warm_up - 1e-9
        slow = cold & self.slow_start() if cold.any() else cold
        if cold.any():
            began = np.concatenate([factors[place] for place in single.LATENCY])
            self.start.stakes += np.where(cold, began, 0.0)
        for place in range(len(factors)):
            out = warming if place in single.LATENCY or not rules.warm_up_errors else np.zeros_like(where)
            out = out | (cold if place in single.LATENCY else slow if place == single.ERRORS else False)
            factors[place] = np.where(out | (place in rules.expected), 0.0, factors[place])

    def _see_crowds(self, where: Flags, tables: Ints) -> None:
        for place, crowd in self.crowds.items():
            against = self._factors(place, tables[place][[STABLE, BAD_STABLE, CANARY, BAD_CANARY]])

            def suspicious(place: int = place) -> Flags:
                return np.asarray((self.log_e >= single.SUSPICION) & (self._leading() == place))

            shown = crowd.see(where, tables[place], against, self.log_e > single.ROUNDING, suspicious)
            if not shown.any():
                continue
            self.comparison.lower(shown, self.slices[place], math.log(single.STREAM_WEIGHTS[place]))
            self.log_e = np.where(shown, np.minimum(self.log_e, self.comparison.log_wealth()), self.log_e)
            for mixture in (self.downs[place].share, self.downs[place].apart):
                mixture.lower(shown, slice(None), 0.0)

    def _leading(self) -> Ints:
        streams = [np.logaddexp.reduce(self.comparison.stakes[places]) for places in self.slices]
        return np.asarray(np.argmax(streams, axis=0))

    def _factors(self, place: int, table: Ints) -> Floats:
        return self.streams[place].factors(table, self.crowds[place].power if place in self.crowds else self.power)


def _like(pattern: Any, columns: int) -> Mixtures:
    return Mixtures([math.exp(weight) for weight in pattern.weights], columns)

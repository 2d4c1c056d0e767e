"""A rollout's samples as numbers to show.  Pure.

Time is counted from the rollout's start on the journal's clock, because a restarted controller counts its own ticks from 0 again.
A p95 cannot be added up: the highest one stands for merged ticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median

from dawsos.model.events import RolloutSampled, SideSample
from dawsos.model.run import RolloutRecord
from dawsos.reporting.formatting import clean, number


@dataclass(frozen=True)
class Side:
    """One version's traffic: the canary's or the stable one's."""

    requests: int = 0
    errors: int = 0
    p95: float | None = None

    @property
    def error_rate(self) -> float | None:
        return self.errors / self.requests if self.requests else None


@dataclass(frozen=True)
class Tick:
    """What one sample, or several merged ones, saw; ``at`` is its end in seconds since the rollout's start."""

    at: float
    seconds: float
    weight: int
    canary: Side
    stable: Side
    verdict: str = ""
    reason: str = ""
    evidence: float | None = None

    def rate(self, side: Side) -> float | None:
        """Return requests a second."""
        return side.requests / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class StepTotal:
    """The time spent at one weight."""

    weight: int
    start: float
    total: Tick


def ticks(rollout: RolloutRecord) -> tuple[Tick, ...]:
    """Return the samples in order of time; what cannot be read counts as no traffic."""
    found: list[Tick] = []
    latest = 0.0
    for sample in rollout.samples:
        tick = tick_of(sample, rollout.started_at)
        latest = max(latest, tick.at)
        found.append(replace(tick, at=latest))
    return tuple(found)


def tick_of(sample: RolloutSampled, started_at: float) -> Tick:
    """Return one sample as numbers; what an altered journal holds instead of a number counts as nothing."""
    recorded = sample.recorded_at
    elapsed = recorded - started_at if recorded is not None else number(sample.at)
    return Tick(
        at=max(0.0, elapsed or 0.0),
        seconds=number(sample.seconds) or 0.0,
        weight=int(number(sample.weight) or 0),
        canary=_side(sample.canary),
        stable=_side(sample.stable),
        verdict=clean(sample.verdict),
        reason=clean(sample.reason),
        # The statistical judge puts the comparison first.
        evidence=number(sample.evidence[0].log_e) if sample.evidence else None,
    )


def _side(side: SideSample) -> Side:
    return Side(side.requests, side.errors, number(side.p95))


def merge(group: Sequence[Tick]) -> Tick:
    """Return the sum of a non-empty group of ticks, as of its last one."""
    return replace(
        group[-1],
        seconds=sum(tick.seconds for tick in group),
        canary=_sum([tick.canary for tick in group]),
        stable=_sum([tick.stable for tick in group]),
    )


def _sum(sides: Sequence[Side]) -> Side:
    known = [side.p95 for side in sides if side.p95 is not None]
    return Side(sum(side.requests for side in sides), sum(side.errors for side in sides), max(known, default=None))


def window(found: Sequence[Tick], seconds: float) -> Tick | None:
    """Return the merged newest ticks that make up ``seconds``, at least one; None when there is none."""
    group: list[Tick] = []
    covered = 0.0
    for tick in reversed(found):
        group.append(tick)
        covered += tick.seconds
        if covered >= seconds - 1e-6:
            break
    group.reverse()
    return merge(group) if group else None


def rolling(found: Sequence[Tick], seconds: float) -> tuple[Tick, ...]:
    """Return for each tick the sum over the ``seconds`` that end with it, as the judge's checks see it."""
    # Not the longest: one late tick would shorten the window of all others.
    typical = median(tick.seconds for tick in found) if found else 0.0
    reach = max(1, round(seconds / typical)) if typical > 0 else 1
    merged = (window(found[max(0, end - reach) : end], seconds) for end in range(1, len(found) + 1))
    return tuple(tick for tick in merged if tick is not None)


def thin(found: Sequence[Tick], most: int) -> tuple[Tick, ...]:
    """Return at most ``most`` ticks by merging neighbours."""
    per = -(-len(found) // most) if most > 0 else 1
    return tuple(merge(found[start : start + per]) for start in range(0, len(found), max(1, per)))


def step_totals(found: Sequence[Tick]) -> tuple[StepTotal, ...]:
    """Return one row for each stretch of time at one weight."""
    rows = []
    for weight, members in groupby(found, key=lambda tick: tick.weight):
        group = list(members)
        rows.append(StepTotal(weight, max(0.0, group[0].at - group[0].seconds), merge(group)))
    return tuple(rows)


def weight_steps(rollout: RolloutRecord) -> tuple[tuple[float, float], ...]:
    """Return (seconds since the start, confirmed weight), beginning with 0 %."""
    steps = [(0.0, 0.0)]
    for at, weight in rollout.weights:
        steps.append((max(steps[-1][0], at - rollout.started_at), float(weight)))
    return tuple(steps)


def last_weight(rollout: RolloutRecord) -> int:
    """Return the weight of the highest step that the canary reached, whether or not it was dimmed there."""
    if rollout.step:
        return rollout.step
    shown = [weight for _, weight in rollout.weights if weight]
    return shown[-1] if shown else rollout.weight_intended

"""The power of a rollout, computed before it: what its steps can find with this traffic, and how soon.  Pure.

The judge itself gets the expected traffic, second by second: not a draw but the mean counts of a canary with the fault.  The time
of its proof is about the median time to the rollback; a test compares it with simulated rollouts.  The figures are an estimate
for planning, not a promise: half of the canaries take longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dawsos.analysis.statistical.evidence import REFUSED, STREAMS, Bin, Evidence
from dawsos.analysis.statistical.judge import SLOW_SHARE, rules_of
from dawsos.analysis.statistical.latency import choose_edges
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.policy import LadderStep, RolloutPolicy, WarmUp
from dawsos.model.rollout import Counts

ERRORS = (0.01, 0.05, 1.0)
SLOWDOWNS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_LOOKS = 120
_HEALTHY = 60


@dataclass(frozen=True)
class Baseline:
    """The stable release's traffic: ``rate`` requests a second, the share of errors, its latencies, and the share that is refused
    (4xx; None: not told)."""

    rate: float
    errors: float
    latency: Counts
    refused: float | None = None

    @classmethod
    def of(cls, seen: Counts, seconds: float) -> Baseline:
        """Return what ``seconds`` of stable's traffic say.  Half an error is added: none seen is not none ever."""
        rate = seen.requests / seconds if seconds > 0 else 0.0
        refused = (seen.codes["4xx"] + 0.5) / (seen.requests + 1) if "4xx" in seen.codes else None
        return cls(rate, (seen.errors + 0.5) / (seen.requests + 1), seen, refused)


@dataclass(frozen=True)
class StepPower:
    """What one step finds.  ``smallest_error`` is the lowest share of errors found within the step, ``smallest_slowdown`` the
    least factor on every latency, ``smallest_refused`` the lowest share of refusals; None: none is.  ``errors`` are (share, seconds
    until found or None)."""

    weight: int
    seconds: float
    requests: int
    smallest_error: float | None
    smallest_slowdown: float | None
    errors: tuple[tuple[float, float | None], ...]
    smallest_refused: float | None = None


@dataclass(frozen=True)
class Power:
    """The power of a whole ladder, and what a person should be warned of."""

    usual: Baseline
    steps: tuple[StepPower, ...]
    warnings: tuple[str, ...]


def power(policy: RolloutPolicy, usual: Baseline) -> Power:
    """Return what each judged step (those below 100 %) can find."""
    steps = tuple(_step(policy, usual, step) for step in policy.ladder if step.weight < 100)
    return Power(usual, steps, tuple(_warnings(policy, usual, steps)))


def sentences(found: Power) -> tuple[str, ...]:
    """Return one line a step, for a person."""
    return tuple(
        f"{step.weight} % for {step.seconds:g} s, about {step.requests:,} requests: finds errors from "
        f"{_share(step.smallest_error)} on and slow-downs from {_factor(step.smallest_slowdown)} on; {_refused(found.usual, step)}"
        + ", ".join(f"{share:.0%} errors {_time(seconds)}" for share, seconds in step.errors)
        for step in found.steps
    )


def _step(policy: RolloutPolicy, usual: Baseline, step: LadderStep) -> StepPower:
    def errors(share: float) -> float | None:
        return _until_found(policy, usual, step, lambda weight: _tables(policy, usual, weight, share, 1.0))

    def slower(factor: float) -> float | None:
        return _until_found(policy, usual, step, lambda weight: _tables(policy, usual, weight, usual.errors, factor))

    def refused(share: float) -> float | None:
        return _until_found(
            policy, usual, step, lambda weight: _tables(policy, usual, weight, usual.errors, 1.0, refused=share)
        )

    return StepPower(
        step.weight,
        step.duration,
        round(usual.rate * step.duration * step.weight / 100),
        _smallest(usual.errors, errors),
        next((factor for factor in SLOWDOWNS if slower(factor) is not None), None),
        tuple((share, errors(share)) for share in ERRORS),
        None if usual.refused is None or "4xx" in policy.expect else _smallest(usual.refused, refused),
    )


def _smallest(usual: float, found: Callable[[float], float | None]) -> float | None:
    """Bisect on a logarithmic scale for the lowest share of errors that is found."""
    if found(1.0) is None:
        return None
    low, high = math.log(max(usual, 1e-6)), 0.0
    for _ in range(7):
        middle = (low + high) / 2
        low, high = (low, middle) if found(math.exp(middle)) is not None else (middle, high)
    return math.exp(high)


def _until_found(
    policy: RolloutPolicy, usual: Baseline, step: LadderStep, bad: Callable[[int], tuple[Table, ...]]
) -> float | None:
    """Return the seconds at which the judge has proof when it sees exactly what is to be expected, None within the step."""
    evidence = Evidence(rules_of(policy.model_copy(update={"warm_up": WarmUp()})))
    position = [one.weight for one in policy.ladder].index(step.weight)
    if position:
        before = policy.ladder[position - 1].weight
        good = _tables(policy, usual, before, usual.errors, 1.0)
        for _ in range(_HEALTHY):
            evidence.observe(Bin(1.0, before, good, (good[0].canary, 0)))
    seconds = max(policy.tick, step.duration / _LOOKS)
    tables = tuple(_times(table, seconds) for table in bad(step.weight))
    for look in range(1, math.floor(step.duration / seconds + 1e-9) + 1):
        evidence.observe(Bin(seconds, step.weight, tables, (tables[0].canary, 0)))
        if evidence.failing:
            return look * seconds
    return None


def _tables(
    policy: RolloutPolicy, usual: Baseline, weight: int, errors: float, slower: float, *, refused: float | None = None
) -> tuple[Table, ...]:
    """Return the mean counts of one second."""
    canary, stable = usual.rate * weight / 100, usual.rate * (100 - weight) / 100
    tables = [_table(canary, errors, stable, usual.errors)]
    for edge in choose_edges(usual.latency, policy.latency_tolerance):
        slow, expected = _above(usual.latency, edge.canary / slower), _above(usual.latency, edge.stable)
        tables.append(_table(canary, slow, stable, expected))
    tables += [Table()] * (len(STREAMS) - len(tables))
    if usual.refused is not None:
        tables[REFUSED] = _table(canary, usual.refused if refused is None else refused, stable, usual.refused)
    return tuple(tables)


def _table(canary: float, bad: float, stable: float, usual: float) -> Table:
    # Means are no whole numbers; the arithmetic of a bet does not mind.
    return Table(canary, canary * bad, stable, stable * usual)  # type: ignore[arg-type]


def _times(table: Table, seconds: float) -> Table:
    return Table(*(value * seconds for value in table))  # type: ignore[arg-type]


def _above(latency: Counts, edge: float) -> float:
    """Return the share above ``edge``, linear within a bucket."""
    total = latency.latency[-1][1] if latency.latency else 0
    below_edge, below = 0.0, 0
    for upper, count in latency.latency:
        if edge <= upper and total:
            inside = 0.0 if math.isinf(upper) else (edge - below_edge) / (upper - below_edge)
            return 1.0 - (below + inside * (count - below)) / total
        below_edge, below = upper, count
    return 0.0


def _warnings(policy: RolloutPolicy, usual: Baseline, steps: tuple[StepPower, ...]) -> list[str]:
    if not usual.rate:
        return ["no traffic was seen: no step can find anything"]
    found = [f"not compared, because the release means it: {kind} {change}" for kind, change in policy.expect.items()]
    found += [
        f"{step.weight} %: no share of errors can be found in {step.seconds:g} s with {step.requests} requests"
        for step in steps
        if step.smallest_error is None
    ]
    blind = [(step, step.smallest_error) for step in steps if (step.smallest_error or 0.0) > policy.error_rate]
    if blind:
        least = ", ".join(f"{_share(share)} at {step.weight} %" for step, share in blind)
        found.append(
            f"errors above the limit of {policy.error_rate:.2%} may pass a step unseen when they are below {least}"
        )
    needed = _needed(policy)
    short = [step for step in steps if step.requests < needed]
    if policy.advance == "evidence" and short:
        found.append(
            f"{', '.join(f'{step.weight} %' for step in short)}: too few requests to show that the canary is within its limits "
            f"(about {needed:,} without an error are needed)"
        )
    return found


def _needed(policy: RolloutPolicy) -> int:
    """Return how many requests without an error show that the rate is below its limit."""
    limit = min(max(policy.error_rate, 1e-6), SLOW_SHARE)
    return math.ceil(math.log(1 / rules_of(policy).beta * 5) / -math.log1p(-limit) * 0.83)


def _share(share: float | None) -> str:
    return "no share" if share is None else f"{share:.2%}" if share < 0.1 else f"{share:.0%}"


def _refused(usual: Baseline, step: StepPower) -> str:
    if usual.refused is None:
        return ""
    return "" if step.smallest_refused is None else f"refusals (4xx) from {_share(step.smallest_refused)} on; "


def _factor(factor: float | None) -> str:
    return "no factor" if factor is None else f"{factor:g} times"


def _time(seconds: float | None) -> str:
    return "not within the step" if seconds is None else f"in about {seconds:.0f} s"

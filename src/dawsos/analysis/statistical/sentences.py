"""The findings of the statistical judge, in words for an operator and in numbers for the record.  Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dawsos.analysis.statistical.down import PLAINLY_DOWN
from dawsos.analysis.statistical.evidence import ERRORS, HOLD, REDIRECTED, REFUSED, SMALL, Evidence
from dawsos.analysis.statistical.latency import Edge
from dawsos.analysis.statistical.statistics import Table, confidence
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Reading

# What a canary does too often, and what is said of its requests when it does little else.
_OFTEN = {
    ERRORS: "answers with an error",
    REFUSED: "refuses requests (4xx)",
    REDIRECTED: "redirects (3xx)",
    SMALL: "answers with a body smaller than nearly all of stable's",
}
_DOWN = {
    ERRORS: "requests failed",
    REFUSED: "requests were refused (4xx)",
    REDIRECTED: "requests were redirected (3xx)",
    SMALL: "bodies were smaller than nearly all of stable's",
}


def against(evidence: Evidence, edges: Sequence[Edge], codes: str = "") -> str:
    """Return what speaks against the canary most, with counts of both versions and how likely it is luck.

    ``codes`` names the code that the canary answered most at this weight.
    """
    leading = evidence.leading
    table = evidence.window.tables[leading]
    if evidence.plainly_down and evidence.log_e < evidence.rules.proof:
        place, down = next((place, down) for place, down in evidence.downs.items() if down.proven)
        failed = f"{_of(down.table.bad_canary, down.table.canary)} {_DOWN[place]}"
        usual = _of(down.table.bad_stable, down.table.stable)
        return f"the canary is down: {failed}{_named(place, codes)}, {usual} of stable's"
    seconds = f"in the last {evidence.window.seconds:.0f} s"
    luck = f"a healthy canary looks so bad in fewer than 1 of {_round(math.exp(evidence.log_e)):,} rollouts"
    if leading in _OFTEN or not edges:
        what = f"{_OFTEN.get(leading, _OFTEN[ERRORS])}{_named(leading, codes)}"
        counts = f"{_of(table.bad_canary, table.canary)} requests against {_of(table.bad_stable, table.stable)}"
        return f"the canary {what} {_times(table)} stable does: {counts} {seconds}; {luck}"
    edge = edges[leading - 1]
    slow = f"{_of(table.bad_canary, table.canary)} requests took longer than {_latency(edge.canary)}"
    usual = f"{_of(table.bad_stable, table.stable)} of stable's longer than {_latency(edge.stable)}"
    return f"the canary is slower than stable: {slow}, {usual} {seconds}; {luck}"


def starting(evidence: Evidence) -> str:
    """Return why the step is held while the canary starts."""
    time = f"its first {evidence.rules.start:.0f} s are not held against it"
    return f"held: the canary is slower than stable since its first users came; a start may be slow, and {time}"


def above_limit(name: str, step: Table, policy: RolloutPolicy) -> str:
    """Return why the step is held: an absolute limit is missed, which alone does not blame the canary."""
    if name == "slow":
        slow = f"more than 5 % of the canary's requests take longer than {_latency(policy.p95)}"
        return f"held: {slow}; not shown to be worse than stable"
    canary = (
        f"{_of(step.bad_canary, step.canary)} requests on the canary, {_of(step.bad_stable, step.stable)} on stable"
    )
    return f"held: errors above {policy.error_rate:.2%}: {canary}; not shown to be worse than stable"


def unproven(step: Table, policy: RolloutPolicy) -> str:
    """Return how far the canary is from being shown to be good."""
    low, high = confidence(step.canary, step.bad_canary)
    seen = f"{_of(step.bad_canary, step.canary)} requests failed at this weight, so between {low:.2%} and {high:.2%} do"
    return f"not yet shown to be within the limits: {seen}; the limit is {policy.error_rate:.2%}"


def healthy(evidence: Evidence, step: Table, policy: RolloutPolicy) -> str:
    """Return what a healthy verdict rests on."""
    shown = "shown to be within its limits" if evidence.within_limits else "nothing speaks against the canary"
    counts = (
        f"{_of(step.bad_canary, step.canary)} requests failed against {_of(step.bad_stable, step.stable)} of stable's"
    )
    return f"{shown}: {counts} at this weight"


def readings(evidence: Evidence, step: Table, names: Sequence[str]) -> tuple[Reading, ...]:
    """Return every test's evidence beside its limit."""
    rules = evidence.rules
    low, high = confidence(step.canary, step.bad_canary)
    rate = step.bad_canary / step.canary if step.canary else None
    usual = step.bad_stable / step.stable if step.stable else None
    made = [
        Reading("worse than stable", evidence.log_e, rules.proof, rate, low, high, step.canary, step.bad_canary, usual)
    ]
    for name, wealth, table in zip(names, evidence.by_stream(), evidence.window.tables, strict=True):
        share = table.bad_canary / table.canary if table.canary else None
        compared = table.bad_stable / table.stable if table.stable else None
        made.append(Reading(name, wealth, rules.proof, share, None, None, table.canary, table.bad_canary, compared))
    failing = evidence.downs[ERRORS]
    made.append(Reading(f"fails more than {PLAINLY_DOWN:.0%}", failing.share.log_wealth(), failing.proof))
    for name, label in (("errors", "errors above the limit"), ("slow", "slower than the limit")):
        made.append(Reading(label, evidence.above[name].log_wealth(), HOLD))
    for name, label in (("errors", "errors below the limit"), ("slow", "as fast as the limit")):
        made.append(Reading(label, evidence.below[name].log_wealth(), -math.log(rules.beta)))
    return tuple(made)


def _named(place: int, codes: str) -> str:
    return f" ({codes} at this weight)" if codes and place == REFUSED else ""


def _times(table: Table) -> str:
    if not table.bad_stable:
        return "more often than"
    times = (table.bad_canary / max(1, table.canary)) / (table.bad_stable / max(1, table.stable))
    return f"{times:.1f} times as often as" if times < 10 else f"{times:.0f} times as often as"


def _of(bad: int, requests: int) -> str:
    return f"{bad:,} of {requests:,}"


def _round(value: float) -> int:
    """Return two digits of ``value``, rounded down: a bound must not be said to be better than it is."""
    if value < 100:
        return max(1, int(value))
    scale = 10 ** (int(math.log10(value)) - 1)
    return int(value // scale * scale)


def _latency(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"

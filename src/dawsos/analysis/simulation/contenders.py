"""The judges on their ladders, for many rollouts at once: the statistical judge, the threshold rule, Flagger's rule.

Each mirrors the code of one rollout: ``rollout.decision`` with ``evidence``, ``thresholds``, ``flagger``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dawsos.analysis.simulation.draws import Second
from dawsos.analysis.simulation.vector import VectorEvidence
from dawsos.analysis.statistical.judge import rules_of
from dawsos.analysis.thresholds import twice_as_often
from dawsos.model.flagger import SHORTEST_INTERVAL, checks_of
from dawsos.model.policy import RolloutPolicy
from dawsos.rollout import decision

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Walk:
    """Where each rollout stands on the ladder and how it ended; ``weight`` is what the canary has now."""

    def __init__(self, policy: RolloutPolicy, columns: int) -> None:
        self.policy = policy
        self.weights = np.array([step.weight for step in policy.ladder])
        self.durations = np.array([step.duration for step in policy.ladder])
        self.index = np.zeros(columns, dtype=np.int64)
        self.since = np.zeros(columns)
        self.dimmed = np.zeros(columns, dtype=np.int64)
        self.rolled_back = np.full(columns, np.nan)
        self.promoted = np.full(columns, np.nan)
        self.failed = np.zeros(columns, dtype=np.int64)
        self.ever_dimmed = np.zeros(columns, dtype=bool)

    @property
    def active(self) -> Flags:
        return np.asarray(np.isnan(self.rolled_back) & np.isnan(self.promoted))

    @property
    def weight(self) -> Ints:
        full = self.weights[self.index]
        return np.where(self.active, np.where(self.dimmed > 0, self.dimmed, full), 0)

    def end(self, where: Flags, at: float) -> None:
        """Roll back."""
        self.rolled_back[where & self.active] = at

    def advance(self, where: Flags, at: float) -> None:
        """Take the next step, or promote from the last one."""
        where = where & self.active
        top = self.index == len(self.weights) - 1
        self.promoted[where & top] = at
        self.index[where & ~top] += 1
        self.since[where & ~top] = at


class Contender(Protocol):
    """One judge.  ``tick`` takes the second that ends at ``at`` and moves the canaries."""

    name: str
    walk: Walk

    def tick(self, at: float, second: Second) -> None: ...


class Statistical:
    """``judge: statistical``, dimming when the policy says so."""

    def __init__(self, name: str, policy: RolloutPolicy, columns: int) -> None:
        self.name, self.walk, self.policy = name, Walk(policy, columns), policy
        self.evidence = VectorEvidence(rules_of(policy, warm=policy.asks_first), columns)
        self.soak = Checks(twice_as_often(policy), columns)
        self.requests = np.zeros(columns, dtype=np.int64)
        self.step = np.zeros(columns, dtype=np.int64)

    def tick(self, at: float, second: Second) -> None:
        walk, evidence, policy = self.walk, self.evidence, self.policy
        walk.failed += np.where(walk.active, second.failed, 0)
        weight = walk.weight
        evidence.observe(policy.tick, weight, second.tables, second.slow)
        soaking = walk.weights[walk.index] == 100
        self.soak.add(second, soaking & walk.active)
        self.requests = np.where(walk.index != self.step, 0, self.requests) + second.tables[0, 0]
        self.step = walk.index.copy()
        failing = np.where(soaking, self.soak.failing(), evidence.failing()) | second.failure
        doubt = (
            evidence.suspected | evidence.starting() | evidence.above_limit() | (self.requests < policy.min_requests)
        )
        proven = evidence.within_limits()
        if policy.advance == "evidence":
            doubt |= ~proven
        doubt = np.where(soaking, (self.soak.consecutive > 0) | ~self.soak.known, doubt)
        walk.end(failing, at)
        self._move(at, doubt, proven & ~soaking, evidence.suspected & ~soaking)

    def _move(self, at: float, doubt: Flags, proven: Flags, suspected: Flags) -> None:
        walk, policy = self.walk, self.policy
        elapsed = at - walk.since
        duration = walk.durations[walk.index]
        over = elapsed >= duration - 1e-9
        if policy.advance == "evidence":
            over |= proven & (elapsed >= policy.shortest_step - 1e-9)
        late = elapsed >= duration + policy.no_data_deadline - 1e-9
        if policy.at_deadline == "rollback":
            walk.end(doubt & late, at)
        was_dimmed = walk.dimmed > 0
        if policy.dim and (suspected.any() or was_dimmed.any()):
            target = np.maximum(1, np.rint(walk.weight * self.evidence.dim_factor())).astype(np.int64)
            dim = suspected & ~was_dimmed & (target <= decision.WORTH_DIMMING * walk.weight) & walk.active
            walk.dimmed = np.where(dim, target, np.where(was_dimmed & ~suspected, 0, walk.dimmed))
            walk.ever_dimmed |= dim
        walk.advance(~doubt & over & ~was_dimmed, at)


class Checks:
    """``thresholds.Thresholds`` by column: the sum over the check under way, and how many checks failed in a row."""

    def __init__(self, policy: RolloutPolicy, columns: int) -> None:
        self.policy = policy
        self.length = max(1, round(policy.check_interval / policy.tick))
        self._sum = np.zeros((3, columns), dtype=np.int64)
        self._seen = np.zeros(columns, dtype=np.int64)
        self.consecutive = np.zeros(columns, dtype=np.int64)
        self.known = np.zeros(columns, dtype=bool)

    def add(self, second: Second, where: Flags) -> None:
        """Take in one second in the columns ``where``; the others do not change."""
        new = np.stack([second.tables[0, 0], second.tables[0, 1], second.slow[1]])
        self._sum += np.where(where, new, 0)
        self._seen += where
        whole = where & (self._seen % self.length == 0)
        looked = where & (whole | (self._seen < self.length))
        requests, errors, slow = self._sum
        known = requests >= self.policy.min_requests
        rate = np.maximum(requests, 1)
        failed = (errors / rate > self.policy.error_rate) | (slow / rate > 0.05)
        # Before the first check is over, what there is of it raises doubt but is no failed check.
        before = np.where(self._seen <= self.length, 0, self.consecutive)
        now = np.where(known, np.where(failed, before + 1, 0), before)
        self.consecutive = np.where(looked, now, self.consecutive)
        self.known = np.where(looked, known, self.known)
        self._sum[:, whole] = 0

    def failing(self) -> Flags:
        """Return where enough checks, each of them over, failed in a row."""
        return np.asarray((self.consecutive >= self.policy.failed_checks) & (self._seen >= self.length))


class Thresholds:
    """``judge: thresholds``: so many failed checks in a row."""

    def __init__(self, name: str, policy: RolloutPolicy, columns: int) -> None:
        self.name, self.walk, self.policy = name, Walk(policy, columns), policy
        self.checks = Checks(policy, columns)

    def tick(self, at: float, second: Second) -> None:
        walk, checks, policy = self.walk, self.checks, self.policy
        walk.failed += np.where(walk.active, second.failed, 0)
        checks.add(second, walk.active)
        walk.end(checks.failing() | second.failure, at)
        doubt = (checks.consecutive > 0) | ~checks.known
        elapsed, duration = at - walk.since, walk.durations[walk.index]
        if policy.at_deadline == "rollback":
            walk.end(doubt & (elapsed >= duration + policy.no_data_deadline - 1e-9), at)
        walk.advance(~doubt & (elapsed >= duration - 1e-9), at)


class Flagger:
    """``judge: flagger``: failed checks add up over the whole rollout; rollback on the tick after the last one allowed.

    A failure counter that has risen fails each check from then on."""

    def __init__(self, name: str, policy: RolloutPolicy, columns: int) -> None:
        self.name, self.walk, self.policy = name, Walk(policy, columns), policy
        self.interval = max(SHORTEST_INTERVAL, policy.check_interval)
        self.checks = checks_of(policy)
        longest = max(self.checks.errors or 0.0, self.checks.slow or 0.0)
        self._ring = np.zeros((max(1, round(longest / policy.tick)), 3, columns), dtype=np.int64)
        self._tick = 0
        self._failure = False
        self.failures = np.zeros(columns, dtype=np.int64)
        self.passes = np.zeros(columns, dtype=np.int64)

    def tick(self, at: float, second: Second) -> None:
        walk, policy = self.walk, self.policy
        walk.failed += np.where(walk.active, second.failed, 0)
        self._ring[self._tick % len(self._ring)] = np.stack([second.tables[0, 0], second.tables[0, 1], second.slow[1]])
        self._tick += 1
        self._failure |= second.failure
        if self._tick % max(1, round(self.interval / policy.tick)):
            return
        walk.end(self.failures >= policy.failed_checks, at)
        checks = self.checks
        failed = np.full_like(walk.active, self._failure and checks.failures)
        if checks.errors:
            requests, errors, _ = self._last(checks.errors)
            failed |= (requests == 0) | (errors / np.maximum(requests, 1) > policy.error_rate)
        if checks.slow:
            requests, _, slow = self._last(checks.slow)
            failed |= (requests == 0) | (slow / np.maximum(requests, 1) > checks.slow_share)
        self.failures += failed & walk.active
        self.passes += ~failed & walk.active
        needed = np.maximum(1, np.rint(walk.durations[walk.index] / self.interval))
        ready = (self.passes >= needed) & ~failed & walk.active
        walk.advance(ready, at)
        self.passes[ready] = 0

    def _last(self, window: float) -> Ints:
        """Return requests, errors and slow requests of the last ``window`` seconds."""
        count = min(len(self._ring), max(1, round(window / self.policy.tick)))
        return np.asarray(self._ring[(self._tick - 1 - np.arange(count)) % len(self._ring)].sum(axis=0))

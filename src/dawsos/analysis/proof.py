"""What proves a fault at once, for every judge, and which samples cannot be used.  Pure."""

from __future__ import annotations

import math

from dawsos.model.rollout import Conclusion, Counts, Sample
from dawsos.model.status import Cause

# A tick that took longer saw a sleeping machine or a jump of the clock, not a second of traffic.
LONGEST_TICK = 60.0


def proof_at_once(sample: Sample) -> Conclusion | None:
    """Return why ``sample`` alone rolls back (a crash loop, a failure counter that rose), None when it does not."""
    if sample.crash_looping:
        reason = f"the canary is in a crash loop: {sample.restarts} restarts"
        return Conclusion("failing", reason, Cause.CRASH_LOOP, "restarts", float(sample.restarts))
    for name, value in sorted(sample.counters.items()):
        if value > 0:
            reason = f"{name} rose by {value:g} on the canary"
            return Conclusion("failing", reason, Cause.FAILURE_COUNTER, name, value, 0.0)
    return None


def unusable(sample: Sample) -> str:
    """Return why ``sample`` proves nothing, empty when it may be judged."""
    if not sample.complete:
        return "the proxy could not be read, or its counters went backwards"
    if not math.isfinite(sample.seconds) or not 0.0 < sample.seconds <= LONGEST_TICK:
        return f"a sample over {sample.seconds:g} s is no sample: the clock jumped or the machine slept"
    for name, counts in (("canary", sample.canary), ("stable", sample.stable)):
        if not _consistent(counts):
            return f"the counts of the {name} release contradict themselves"
    return ""


def _consistent(counts: Counts) -> bool:
    if not 0 <= counts.errors <= counts.requests < math.inf:
        return False
    before = 0
    for _edge, count in counts.latency:
        if not before <= count < math.inf:
            return False
        before = count
    return True

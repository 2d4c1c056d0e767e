"""Samples of the new version at Prometheus, from each replica and not too old."""

from __future__ import annotations

from dawsos.model.events import CheckResult
from dawsos.model.units import format_duration
from dawsos.observability.answers import Series, series
from dawsos.observability.asking import Asking

NAME = "metrics at Prometheus"


async def check(asking: Asking) -> CheckResult:
    """Return whether each replica of the release has a sample that is at most ``within`` old."""
    serving, settings = asking.serving, asking.settings
    limit = (
        f"a sample of release {serving.release[:12]} from {serving.replicas} of {serving.replicas} replicas, "
        f"at most {format_duration(settings.within)} old"
    )
    if settings.prometheus is None:
        return asking.not_checked(NAME, "prometheus", limit)
    selector = serving.named_in(settings.prometheus.series)

    async def look() -> tuple[bool, str]:
        # The age of each replica's newest sample by Prometheus' own clock, in seconds.
        answered = await query(asking, f"time() - max by (instance) (timestamp({selector}))")
        # A replica that is told twice is one.
        ages = list({one.labels.get("instance"): one.value for one in answered}.values())
        fresh = sorted(age for age in ages if abs(age) <= settings.within)
        newest = f", the newest {format_duration(max(0.0, fresh[0]))} old" if fresh else ""
        stale = f"; {len(ages) - len(fresh)} with older samples" if len(ages) > len(fresh) else ""
        return len(fresh) >= serving.replicas, f"{len(fresh)} of {serving.replicas} replicas{newest}{stale}"

    return await asking.until(NAME, limit, look)


async def query(asking: Asking, expression: str) -> list[Series]:
    """Return the series of an instant query; raises Unusable."""
    return series(await asking.servers["prometheus"].ask("/api/v1/query", {"query": expression}))

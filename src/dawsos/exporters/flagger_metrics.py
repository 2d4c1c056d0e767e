"""The checks of a Canary: MetricTemplates over what the canary's own replicas report, and their limits.  Pure.

Facts from fluxcd/flagger at 15bd6ad, ``pkg/controller/scheduler_metrics.go`` and ``pkg/metrics/providers/prometheus.go``:

- No series, and NaN, are "no values found": a failed check.  So a query has no default that stands for a missing series.
- Of several series the last one wins.  So each query gives one.
- Flagger removes line breaks.  So a query has no comment.
- A name that is built in is checked by Flagger's own query, even beside a ``templateRef``.  So no template has such a name.
- Every tick runs all checks; ``interval`` of a metric only fills ``{{ interval }}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dawsos.exporters.alerts_rule import quoted
from dawsos.model.exports import FlaggerOptions
from dawsos.model.policy import RolloutPolicy
from dawsos.model.service import Service

SHORTEST_INTERVAL = 10.0
_WINDOW = 60.0

# The pods of the Deployment `target`, and not those of `target-primary`: a ReplicaSet's hash and a pod's suffix are made of
# these letters (k8s.io/apimachinery, util/rand).  With any letter, as in Flagger's own examples, the pods of a Job or a
# DaemonSet called `target-nightly` match as well.
_HASH = "[bcdfghjklmnpqrstvwxz2456789]+"
_OVER = "[{{ interval }}]"
CANARY = f'namespace="{{{{ namespace }}}}",pod=~"{{{{ target }}}}-{_HASH}-{_HASH}"'


@dataclass(frozen=True)
class Check:
    """One entry of ``analysis.metrics``.  ``window`` in seconds fills ``{{ interval }}``; without ``query`` it is one of
    Flagger's own.  ``needs`` says, for a person, which metrics it reads and who has them."""

    name: str
    window: int
    least: float | None = None
    most: float | None = None
    query: str = ""
    needs: str = ""


def interval(policy: RolloutPolicy) -> int:
    """Return the seconds between two ticks: Flagger raises what is shorter to 10 s."""
    return math.ceil(max(SHORTEST_INTERVAL, policy.check_interval))


def checks(policy: RolloutPolicy, service: Service, options: FlaggerOptions) -> list[Check]:
    """Return the checks of the canary's own metrics, in the order in which Flagger makes them: the first that fails is told."""
    window = math.ceil(max(_WINDOW, interval(policy)))
    users = CANARY + _without_probes(service, options)
    requests = _sum(_increase(f"http_requests_total{{{users}}}"))
    errors = _sum(_increase(f'http_requests_total{{{users},status=~"5.."}}'))
    buckets = _sum(_increase(f"http_request_duration_seconds_bucket{{{users}}}"), " by (le) ")
    scraped = _living(f"avg_over_time(up{{{CANARY}}}{_OVER})")
    return [
        # The sums below would not miss a replica that is not read.  One page that came too late is no finding.
        Check(
            "canary-scraped", window, least=0.5,
            query=f"min(max by (pod) (\n  {scraped}\n))",
            needs="up of Prometheus: every replica is read, most of the time",
        ),
        # A canary without users proves nothing.
        Check(
            "canary-requests", window, least=policy.min_requests,
            query=requests,
            needs="http_requests_total of the service's metrics page",
        ),
        # Where there was no error, there is no series of errors; `or 0 * requests` is 0 only where there are requests.
        Check(
            "success-rate", window, least=success_rate(policy),
            query=f"100 * (1 - (\n{errors}\nor 0 *\n{requests}\n) /\n{requests}\n)",
            needs="http_requests_total{status} of the service's metrics page",
        ),
        Check(
            "request-duration-p95", window, most=_rounded(policy.p95 * 1000),
            query=f"1000 * histogram_quantile(0.95,\n{buckets}\n)",
            needs="http_request_duration_seconds of the service's metrics page, with a bucket that ends at "
            f"{policy.p95:g} s and one that ends later",
        ),
        *(_failures(counter, policy) for counter in policy.failure_counters),
        *_restarts(policy, options),
    ]  # fmt: skip


def _living(series: str) -> str:
    """Return ``series`` of the pods that are there now: the canary before this one may lie within the window."""
    return f"{series}\n  and on (namespace, pod) up{{{CANARY}}}"


def _increase(series: str) -> str:
    """Return by how much the counters rose.

    A counter with labels appears with its first request, and has no increase then: of thirty pages that failed once each, Prometheus'
    ``increase`` sees none.  What was not there before the window rose by all that it is.
    """
    return f"(increase({series}{_OVER})\n  and {series} offset {{{{ interval }}}}\n  or {series})"


def _sum(series: str, by: str = "") -> str:
    return f"sum{by}(\n  {_living(series)}\n)"


def success_rate(policy: RolloutPolicy) -> float:
    """Return the least success rate in per cent."""
    return _rounded(100 * (1 - policy.error_rate))


def _without_probes(service: Service, options: FlaggerOptions) -> str:
    """Return selectors that leave out the requests of kubelet and Prometheus: at 5 % of little traffic they would hide errors.

    Prometheus Operator has a label `endpoint` of its own, and calls that of the metric `exported_endpoint`.
    """
    if options.route_label is None:
        return ""
    pages = quoted("|".join(re.escape(page) for page in sorted({service.health, service.ready, service.metrics_page})))
    return "".join(f",{prefix}{options.route_label}!~{pages}" for prefix in ("", "exported_"))


def _failures(counter: str, policy: RolloutPolicy) -> Check:
    """A failure since the canary began: its value, not its increase.

    A counter that appears at 1 has no increase, and after a minute an increase is forgotten: one failed check is no rollback.
    ``max_over_time`` keeps it when a replica starts again.
    """
    return Check(
        re.sub("[_:]", "-", counter.removesuffix("_total")).lower(),
        _longest(policy),
        most=0,
        query=_sum(f"max_over_time({counter}{{{CANARY}}}{_OVER})"),
        needs=f"{counter} of the service's metrics page, from its start on (0), counted anew for each release",
    )


def _restarts(policy: RolloutPolicy, options: FlaggerOptions) -> Iterator[Check]:
    if options.restarts == "off":
        return
    if options.restarts == "process":
        query = f"changes(process_start_time_seconds{{{CANARY}}}{_OVER})"
        needs = "process_start_time_seconds of the service's metrics page, as Prometheus' client libraries have it"
    else:
        # increase() extrapolates: two restarts would be 2.1.
        series = f"kube_pod_container_status_restarts_total{{{CANARY}}}{_OVER}"
        query = f"(max_over_time({series})\n  - min_over_time({series}))"
        needs = "kube_pod_container_status_restarts_total of kube-state-metrics"
    window, most = math.ceil(policy.crash_loop.window), policy.crash_loop.restarts - 1
    yield Check("canary-restarts", window, most=most, query=f"max(\n  {_living(query)}\n)", needs=needs)


def _longest(policy: RolloutPolicy) -> int:
    """Return the seconds that an analysis lasts at most: each weight once, and one failed check less than roll it back."""
    return (len(policy.ladder) + policy.failed_checks + 1) * interval(policy)


def _rounded(value: float) -> float:
    number = round(value, 6)
    return int(number) if number == int(number) else number

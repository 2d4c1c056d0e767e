"""The alerts on the service: how fast it spends the error budgets of its objectives, and whether that can be seen.  Pure.

Several windows and burn rates: https://sre.google/workbook/alerting-on-slos/ (chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from dawsos.exporters.alerts_rule import (
    Case,
    Fired,
    Rule,
    Scope,
    Severity,
    any_of,
    duration,
    humanized_share,
    nice,
    number,
    told,
)

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_SHARE = "{{ $value | humanizePercentage }}"
# warm_p95 is kept when at most this share of the requests is slower.
_SLOWER = 0.05
# A rate above this share of all requests is too near to 1 to be told from it.
_HIGHEST = 0.8
_REQUESTS, _BUCKET = "http_requests_total", "http_request_duration_seconds_bucket"
_ABSENT_FOR = 600.0


@dataclass(frozen=True)
class Burn:
    """An error budget that is spent ``factor`` times too fast, over the ``long`` window and still over the ``short`` one."""

    factor: float
    long: float
    short: float
    severity: Severity

    @property
    def label(self) -> str:
        return f"{number(self.factor)}x"

    @property
    def name(self) -> str:
        return f"Burn{int(self.factor)}x"


BURNS = (
    Burn(14.4, _HOUR, 5 * _MINUTE, "critical"),
    Burn(6, 6 * _HOUR, 30 * _MINUTE, "critical"),
    Burn(3, _DAY, 2 * _HOUR, "warning"),
    Burn(1, 3 * _DAY, 6 * _HOUR, "warning"),
)


@dataclass(frozen=True)
class Objective:
    """``budget`` is the share of requests that may be bad.  ``bad(window, burn)`` is the query that has a value when more than
    ``burn`` times as many are; ``series(values of bad requests, values of all)`` are the series of a test."""

    alert: str
    slo: str
    budget: float
    what: Callable[[Burn], str]
    bad: Callable[[str, Burn], str]
    series: Callable[[str, str], dict[str, str]]
    why: tuple[str, ...]


def service_rules(scope: Scope) -> tuple[Rule, ...]:
    """Return the rules on the environment that has the users; none for a pipeline that deploys nothing."""
    if not any(stage.uses in ("deploy", "rollout") for stage in scope.pipeline.stages):
        return ()
    # The sums have no labels of their own; `dawsos verify` asks for the alerts of an environment.
    of = {"environment": scope.pipeline.rollout_stage().environment}
    return tuple(replace(rule, labels={**of, **rule.labels}) for rule in _rules(scope))


def left_out(scope: Scope) -> tuple[str, ...]:
    """Return a sentence for each burn rate that an objective is too wide for."""
    return tuple(
        f"{objective.alert}{burn.name} is left out: {burn.label} of {humanized_share(objective.budget)} is almost every request."
        for objective in _objectives(scope)
        for burn in BURNS
        if not _possible(objective, burn)
    )


def fewest_requests(scope: Scope) -> int:
    """Return how many requests a window needs: with fewer, a single error would spend the whole budget."""
    rate = scope.pipeline.slo.error_rate
    return scope.options.min_requests or max(ceil(1 / rate) if rate else 1, ceil(1 / _SLOWER))


def _rules(scope: Scope) -> Iterator[Rule]:
    for objective in _objectives(scope):
        for burn in BURNS:
            if _possible(objective, burn):
                yield _burn_rule(scope, objective, burn)
    yield _low_traffic(scope)
    yield from _counters(scope)
    yield _absent(scope)


def _possible(objective: Objective, burn: Burn) -> bool:
    return objective.budget * burn.factor <= _HIGHEST


def _objectives(scope: Scope) -> tuple[Objective, Objective]:
    return _errors(scope), _latency(scope)


def _errors(scope: Scope) -> Objective:
    budget = scope.pipeline.slo.error_rate
    failed, every = scope.service(_REQUESTS, 'status=~"5.."'), scope.service(_REQUESTS)

    def bad(window: str, burn: Burn) -> str:
        limit = f"{number(burn.factor)} * {number(budget)}"
        return f"sum(rate({failed}[{window}])) / sum(rate({every}[{window}])) > {limit}"

    def series(bad: str, good: str) -> dict[str, str]:
        return {scope.service(_REQUESTS, 'status="503"'): bad, scope.service(_REQUESTS, 'status="200"'): good}

    return Objective(
        "ErrorBudget",
        "error_rate",
        budget,
        lambda burn: (
            f"{_SHARE} of the requests in the last {duration(burn.long)} failed; the SLO allows {humanized_share(budget)}."
        ),
        bad,
        series,
        (
            "The 5xx series appears with the first error. Before that, and without requests, this has no value (see SloTrafficLow).",
        ),
    )


def _latency(scope: Scope) -> Objective:
    limit = scope.pipeline.slo.warm_p95
    bucket = scope.service(_BUCKET)

    def bad(window: str, burn: Burn) -> str:
        part = number(1 - burn.factor * _SLOWER)
        return f"histogram_quantile({part}, sum by (le) (rate({bucket}[{window}]))) > {number(limit)}"

    def series(bad: str, good: str) -> dict[str, str]:
        # Each bucket counts what the one before it counts.  Who is slower is far above the objective.
        edges = {number(limit): (good,), number(8 * limit): (good,), "+Inf": (good, bad)}
        return {
            scope.service(_BUCKET, f'le="{edge}"', f'endpoint="{number(index)}"'): values
            for edge, parts in edges.items()
            for index, values in enumerate(parts)
        }

    return Objective(
        "LatencyBudget",
        "warm_p95",
        _SLOWER,
        lambda burn: (
            f"More than {humanized_share(nice(burn.factor * _SLOWER))} of the requests in the last {duration(burn.long)} took longer "
            f"than {told(limit)}; the SLO allows {humanized_share(_SLOWER)}."
        ),
        bad,
        series,
        (
            f"The SLO allows {humanized_share(_SLOWER)} of the requests to be slower than {told(limit)}. N times as many are",
            f"when the quantile 1 - N * {number(_SLOWER)} is above it: exact with a bucket there (see ServiceMetricsAbsent).",
        ),
    )


def _burn_rule(scope: Scope, objective: Objective, burn: Burn) -> Rule:
    long, short = duration(burn.long), duration(burn.short)
    fewest = fewest_requests(scope)
    requests = f"sum(increase({scope.service(_REQUESTS)}[{long}])) >= {fewest}"
    return Rule(
        f"{objective.alert}{burn.name}",
        f"{objective.bad(long, burn)}\nand {objective.bad(short, burn)}\nand {requests}",
        burn.severity,
        f"The error budget of slo.{objective.slo} burns {burn.label} too fast".replace(" 1x too fast", " too fast"),
        objective.what(burn),
        tuple(_burn_cases(scope, objective, burn)),
        labels={"slo": objective.slo, "burn": burn.label},
        why=objective.why,
        runbook=f"{objective.alert}Burn",
    )


def _burn_cases(scope: Scope, objective: Objective, burn: Burn) -> Iterator[Case]:
    """Yield the tests: phases of ``_traffic``, looked at after the last."""
    limit, fewest = burn.factor * objective.budget, fewest_requests(scope)
    above = nice(1.25 * limit) or 0.01
    # Twelve samples, and not a sample each minute, in the short window of hours; promtool takes its time.
    interval = max(_MINUTE, burn.short / 12)
    long, short = round(burn.long / interval), round(burn.short / interval)
    # Twice the requests that the window needs, in ten samples.
    rate = 2 * fewest / 10

    def case(name: str, *phases: tuple[int, float], rate: float = rate, fires: bool = False) -> Case:
        bad, good = _traffic(phases, rate)
        samples = sum(length for length, _ in phases)
        series = objective.series(bad, good)
        if objective.slo != "error_rate":
            # Whether there is enough traffic is seen from the requests.
            series |= {scope.service(_REQUESTS, 'status="200"'): _traffic(((samples, 0.0),), rate)[1]}
        fired = Fired(shown={_SHARE: humanized_share(above)})
        return Case(name, series, samples * interval, (fired,) if fires else (), interval)

    yield case("the share of bad requests is above the limit in both windows", (10, above), fires=True)
    yield case("the share of bad requests is below the limit", (10, 0.8 * limit))
    # So long that the long window is over the limit all the same.
    worse = min(1.0, 2 * limit) or above
    yield case("it is over: the short window is clean again", (120, worse), (short + 5, 0.0))
    # An objective without any error is missed with the first, over every window.
    if limit:
        yield case("it has just begun: the long window is still good", (long, 0.0), (short, worse))
    if fewest > 1:
        yield case("every request is bad, but there are too few to judge", (10, 1.0), rate=fewest / 20)


def _traffic(phases: tuple[tuple[int, float], ...], rate: float) -> tuple[str, str]:
    """Return the values of the counters of bad and of good requests: ``rate`` a sample, for each phase (samples, share of bad)."""
    bad, good = ["0"], ["0"]
    totals = [0.0, 0.0]
    for samples, share in phases:
        for parts, index, growth in ((bad, 0, rate * share), (good, 1, rate * (1 - share))):
            parts.append(f"{number(totals[index] + growth)}+{number(growth)}x{samples - 1}")
            totals[index] += growth * samples
    return " ".join(bad), " ".join(good)


def _low_traffic(scope: Scope) -> Rule:
    fewest = fewest_requests(scope)
    requests = scope.service(_REQUESTS, 'status="200"')
    return Rule(
        "SloTrafficLow",
        f"sum(increase({scope.service(_REQUESTS)}[1h])) < {fewest}",
        "info",
        f"Fewer than {fewest} requests in the last hour: its burn rates are not judged",
        "With so few requests one error would spend the whole error budget. ErrorBudgetBurn and LatencyBudgetBurn need more.",
        (
            Case("almost no requests", {requests: f"0+{number(fewest / 600)}x200"}, 130 * _MINUTE, (Fired(),)),
            Case("enough requests", {requests: f"0+{number(2 * fewest / 60)}x200"}, 130 * _MINUTE),
        ),
        hold=_HOUR,
    )


def _counters(scope: Scope) -> Iterator[Rule]:
    names = scope.pipeline.rollout.failure_counters
    if not names:
        return
    counters = {name: scope.service(name) for name in names}
    queries = {name: f"(max(increase({counter}[15m])) > 0)" for name, counter in counters.items()}
    yield Rule(
        "ServiceFailureCounter",
        any_of(queries, "counter"),
        "warning",
        "The service counted failures in {{ $labels.counter }}",
        "A rollout under way is rolled back for it. Without a rollout, the release that serves or one of its jobs failed.",
        (
            Case(
                "failures are counted",
                dict.fromkeys(counters.values(), "2+0x4 3+0x25"),
                5 * _MINUTE,
                tuple(Fired({"counter": name}) for name in names),
            ),
            Case("failures of the past", dict.fromkeys(counters.values(), "2+0x30"), 5 * _MINUTE),
        ),
        why=("max, and not sum: every process of a deployment may report the same number.",),
    )


def _absent(scope: Scope) -> Rule:
    limit = number(scope.pipeline.slo.warm_p95)
    # 1.2 may be written 1.20, and 2 as 2.0.
    edge = limit.replace(".", "[.]") + ("0*" if "." in limit else "([.]0+)?")
    wanted: Mapping[str, str] = {
        _REQUESTS: scope.service(_REQUESTS),
        f"{_BUCKET} le {limit}": scope.service(_BUCKET, f'le=~"{edge}"'),
        **{name: scope.service(name) for name in scope.pipeline.rollout.failure_counters},
    }
    labels = scope.options.service_series
    if labels is None:
        labels = {"environment": scope.pipeline.rollout_stage().environment}
    there = {
        **{scope.service(name): "0+1x30" for name in wanted if " " not in name},
        scope.service(_BUCKET, f'le="{limit}"'): "0+1x30",
    }
    other = {**there, scope.service(_BUCKET, f'le="{limit}"'): "_x30", scope.service(_BUCKET, 'le="17"'): "0+1x30"}
    at = 5 * _MINUTE + _ABSENT_FOR
    return Rule(
        "ServiceMetricsAbsent",
        any_of({metric: f"absent({query})" for metric, query in wanted.items()}, "metric"),
        "warning",
        "The service's metric {{ $labels.metric }} is absent",
        "The alerts on the service that use it cannot fire, or only estimate, until Prometheus scrapes it.",
        (
            Case("nothing is scraped", {}, at, tuple(Fired({"metric": metric, **labels}) for metric in wanted)),
            Case("no bucket ends at the objective", other, at, (Fired({"metric": f"{_BUCKET} le {limit}", **labels}),)),
            Case("every metric is there", there, at),
        ),
        hold=_ABSENT_FOR,
        why=(
            "Without a bucket that ends at the SLO, LatencyBudgetBurn is an estimate; above the last bucket it sees nothing.",
        ),
    )

"""The alerts on the pipeline itself: runs, rollouts, durations, and what is not scraped.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dawsos.exporters.alerts_dates import PROBED, dated_rules
from dawsos.exporters.alerts_rule import (
    EVALUATED,
    Case,
    Fired,
    Rule,
    Scope,
    any_of,
    duration,
    humanized_duration,
    humanized_share,
    nice,
    number,
    told,
)

_MINUTE = 60.0
_SHARE = "{{ $value | humanizePercentage }}"
_TIME = "{{ $value | humanizeDuration }}"
# Of a stage's budget, at the end of which the stage is stopped.
_NEAR = 0.8
_ABSENT_FOR = 600.0
_OF_ROLLOUTS = (
    "canary_deployments_total",
    "canary_rollbacks_total",
    "canary_rollbacks_by_cause_total",
    "ci_pipeline_time_to_canary_seconds_bucket",
)


def pipeline_rules(scope: Scope) -> tuple[Rule, ...]:
    """Return the rules that the pipeline's own metrics are enough for."""
    return tuple(_rules(scope))


def has_rollout(scope: Scope) -> bool:
    return any(stage.uses == "rollout" for stage in scope.pipeline.stages)


def jump(values: dict[str, float]) -> dict[str, str]:
    """Return counters that are 0 for five minutes and then ``values``, to half an hour."""
    return {series: f"0+0x4 {number(value)}+0x25" for series, value in values.items()}


def _rules(scope: Scope) -> Iterator[Rule]:
    yield _failure_rate(scope)
    yield _fails_often(scope)
    if has_rollout(scope):
        yield _rollback(scope)
        yield _rollback_rate(scope)
        yield _slow(scope)
    yield from _near_budget(scope)
    yield from dated_rules(scope)
    yield _absent(scope)


def _failure_rate(scope: Scope) -> Rule:
    failed, passed, runs = _runs(scope)
    limit, hold = scope.options.failure_rate, scope.options.failure_hold
    share = nice(min(2 * limit, (1 + limit) / 2) or 0.5)
    after = 2 * EVALUATED + hold
    minutes = round(after / _MINUTE) + 10

    def growing(failures: float) -> dict[str, str]:
        return {failed: f"0+{number(failures)}x{minutes}", passed: f"0+{number(1000 - failures)}x{minutes}"}

    return Rule(
        "PipelineFailureRate",
        f"sum(rate({failed}[1h]))\n/ sum(rate({runs}[1h])) > {number(limit)}",
        "warning",
        f"CI/CD pipeline failure rate > {humanized_share(limit)}",
        f"{_SHARE} of the runs of the last hour failed.",
        (
            Case(
                "more runs of the hour failed than may",
                growing(1000 * share),
                after,
                (Fired(shown={_SHARE: humanized_share(share)}),),
            ),
            Case(
                "fewer runs of the hour failed",
                growing(500 * limit),
                after,
            ),
            Case(
                "no run in the hour is 0 / 0, and says nothing",
                {failed: f"7+0x{minutes}", passed: f"3+0x{minutes}"},
                after,
            ),
        ),
        hold=hold,
        why=(
            "Without a run in the hour this is 0 / 0 = NaN, and NaN is above nothing: the silence says neither good nor bad.",
            "Of a pipeline that runs twice a day it says nothing most of the day: there is PipelineFailsOften.",
        ),
    )


def _fails_often(scope: Scope) -> Rule:
    failed, passed, runs = _runs(scope)
    counters = (failed, runs, passed)
    return _share_rule(scope, "PipelineFailsOften", counters, scope.options.failure_rate, ("runs", "failed"))


def _runs(scope: Scope) -> tuple[str, str, str]:
    """Return the selectors of runs that failed, of those that succeeded, and of both."""
    name = "ci_pipeline_runs_total"
    return scope.tool(name, 'result="failure"'), scope.tool(name, 'result="success"'), scope.tool(name)


def _rollback_rate(scope: Scope) -> Rule:
    return _share_rule(
        scope,
        "CanaryRollbackRate",
        (scope.tool("canary_rollbacks_total"), scope.tool("canary_deployments_total"), ""),
        scope.options.rollback_rate,
        ("rollouts", "were rolled back"),
    )


def _share_rule(scope: Scope, name: str, counters: tuple[str, str, str], limit: float, words: tuple[str, str]) -> Rule:
    """Return the rule on a share of what was counted in the window; ``counters`` are the part, the whole, and a series of the
    rest where the whole is the sum of both."""
    window, fewest = duration(scope.options.window), scope.options.min_runs
    (part, whole, rest), (things, fate) = counters, words
    count = 2 * fewest
    bad = min(count, math.floor(2 * limit * count) + 1)
    few = max(0, fewest - 1)

    def counted(bad: int, count: int) -> dict[str, str]:
        return jump({part: bad, rest: count - bad} if rest else {part: bad, whole: count})

    return Rule(
        name,
        f"sum(increase({part}[{window}]))\n/ sum(increase({whole}[{window}])) > {number(limit)}\n"
        f"and sum(increase({whole}[{window}])) >= {fewest}",
        "warning",
        f"More than {humanized_share(limit)} of the {things} of {window} {fate}",
        f"{_SHARE} of the {things} of the last {window} {fate}.",
        (
            Case(
                f"more of the {things} {fate} than may",
                counted(bad, count),
                15 * _MINUTE,
                (Fired(shown={_SHARE: humanized_share(bad / count)}),),
            ),
            Case(f"fewer of the {things} {fate}", counted(math.floor(limit * count), count), 15 * _MINUTE),
            Case(f"of so few {things} no rate is made", counted(few, few), 15 * _MINUTE),
        ),
        why=(f"Needs {fewest} {things} in the window; fewer are no rate.",),
    )


def _rollback(scope: Scope) -> Rule:
    rollbacks, causes = scope.tool("canary_rollbacks_total"), "canary_rollbacks_by_cause_total"
    asked = f"increase({scope.tool(causes)}[5m]) > 0".replace("\\", "\\\\").replace('"', '\\"')
    template = f'{{{{ range query "{asked}" }}}}{{{{ .Labels.cause }}}} {{{{ end }}}}'
    labels = dict(scope.options.pipeline_series)
    of_cause = scope.tool(causes, 'cause="latency"')
    return Rule(
        "CanaryRollback",
        f"increase({rollbacks}[5m]) > 0",
        "critical",
        "Canary deployment rolled back",
        f"Traffic is on the stable release. Counted causes: {template}. `dawsos show last` has rule, value and limit.",
        (
            Case(
                "a rollout was rolled back",
                {rollbacks: "3+0x4 4+0x25", of_cause: "0+0x4 1+0x25"},
                5 * _MINUTE,
                (Fired(labels, {template: "latency "}),),
            ),
            Case("rollbacks of the past", {rollbacks: "4+0x30"}, 5 * _MINUTE),
            Case("it is over five minutes after the rollback", {rollbacks: "3+0x4 4+0x25"}, 15 * _MINUTE),
        ),
        why=(
            "A series that appears at 1 has no increase: dawsos writes the counter at 0 from the first page on.",
            "A rollback while Prometheus scrapes nothing for five minutes is not seen here, but by CanaryRollbackRate.",
        ),
    )


def _slow(scope: Scope) -> Rule:
    limit = scope.options.duration
    bucket = "ci_pipeline_time_to_canary_seconds_bucket"

    def runs(above: int) -> dict[str, str]:
        """20 ships, ``above`` of which take more than twice the limit."""
        edges = {number(limit): 20 - above, number(2 * limit): 20 - above, "+Inf": 20}
        return jump({scope.tool(bucket, f'le="{edge}"'): count for edge, count in edges.items()})

    return Rule(
        "PipelineSlow",
        f"histogram_quantile(0.95, sum by (le) (rate({scope.tool(bucket)}[1d]))) > {number(limit)}",
        "warning",
        f"Ships take longer than {told(limit)} to their canary",
        f"p95 from the start of a ship to its rollout, waiting for people left out: {_TIME}.",
        (
            Case(
                "a fifth of the ships took longer",
                runs(4),
                15 * _MINUTE,
                (Fired(shown={_TIME: humanized_duration(2 * limit)}),),
            ),
            Case("all ships were in time", runs(0), 15 * _MINUTE),
            Case("no ship that day", {scope.tool(bucket, 'le="+Inf"'): "5+0x30"}, 15 * _MINUTE),
        ),
        why=(
            "The request's query, over a day: in an hour there is often no ship, and the quantile is NaN.",
            "Of few ships it is the slowest; between two buckets it is an estimate.",
        ),
    )


def _near_budget(scope: Scope) -> Iterator[Rule]:
    """Yield the rule on stages that come near their budgets; none where no stage has one that only commands spend."""
    budgets: dict[float, list[str]] = {}
    for stage in scope.pipeline.stages:
        # A rollout takes what its ladder says, and an approval what a person does.
        if stage.uses != "rollout" and stage.approval is None:
            budgets.setdefault(stage.budget, []).append(stage.id)
    if not budgets:
        return
    name = "ci_pipeline_stage_duration_seconds"

    def mean(stages: list[str]) -> str:
        of = f'stage=~"{"|".join(stages)}"' if len(stages) > 1 else f'stage="{stages[0]}"'
        total, count = scope.tool(f"{name}_sum", of), scope.tool(f"{name}_count", of)
        return f"sum by (stage) (increase({total}[1d]))\n/ sum by (stage) (increase({count}[1d]))"

    queries = [f"{mean(stages)} > {_NEAR} * {number(budget)}" for budget, stages in budgets.items()]

    def case(text: str, share: float, fires: bool) -> Case:
        series: dict[str, float] = {}
        fired = []
        for budget, stages in budgets.items():
            # Half a second away from what a template would round.
            seconds = math.floor(share * budget) + 0.5 if budget >= 60 else nice(share * budget)
            for stage in stages:
                of = f'stage="{stage}"'
                series |= {scope.tool(f"{name}_sum", of): 4 * seconds, scope.tool(f"{name}_count", of): 4}
                fired.append(Fired({"stage": stage}, {_TIME: humanized_duration(seconds)}))
        return Case(text, jump(series), 15 * _MINUTE, tuple(fired) if fires else ())

    yield Rule(
        "StageNearBudget",
        "\nor ".join(queries),
        "warning",
        f"Stage {{{{ $labels.stage }}}} needs more than {humanized_share(_NEAR)} of its budget",
        f"Its attempts of the last day took {_TIME} on average; at the end of its budget a stage is stopped, and fails.",
        (case("stages take most of their budgets", 0.9, True), case("stages take half of their budgets", 0.5, False)),
        why=("0 / 0 is NaN: a stage that did not run that day is not judged.",),
    )


def _absent(scope: Scope) -> Rule:
    watched = [_runs(scope)[0]]
    if has_rollout(scope):
        watched += [scope.tool(name) for name in _OF_ROLLOUTS]
    watched += [
        scope.tool("ci_pipeline_stage_duration_seconds_count"),
        scope.tool("dawsos_metrics_written_timestamp_seconds"),
    ]
    queries = {query.partition("{")[0]: f"absent({query})" for query in watched}
    # absent() makes labels of the equalities in its selector.
    labels = {metric: dict(scope.options.pipeline_series) for metric in queries}
    labels["ci_pipeline_runs_total"]["result"] = "failure"
    there = dict.fromkeys(watched, "0+0x30")
    if scope.options.certificates:
        own = scope.tool("ci_certificate_expires_timestamp_seconds")
        queries[PROBED] = f"absent({own} or {PROBED})"
        labels[PROBED], there[PROBED] = {}, "1+0x30"
    at = 5 * _MINUTE + _ABSENT_FOR
    return Rule(
        "PipelineMetricsAbsent",
        any_of(queries, "metric"),
        "warning",
        "There is no metric {{ $labels.metric }}",
        "The alerts that are made of it cannot fire: their silence means nothing until it is there again.",
        (
            Case("nothing is scraped", {}, at, tuple(Fired({"metric": key, **labels[key]}) for key in queries)),
            Case("every metric is there", there, at),
        ),
        hold=_ABSENT_FOR,
    )

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
        f"{_SHARE} of the runs in the last hour failed.",
        (
            Case(
                "more runs of the last hour failed than the limit allows",
                growing(1000 * share),
                after,
                (Fired(shown={_SHARE: humanized_share(share)}),),
            ),
            Case(
                "fewer runs of the last hour failed",
                growing(500 * limit),
                after,
            ),
            Case(
                "no run in the last hour: 0 / 0 is no alert",
                {failed: f"7+0x{minutes}", passed: f"3+0x{minutes}"},
                after,
            ),
        ),
        hold=hold,
        why=(
            "Without a run in the hour this is 0 / 0 = NaN, and a comparison with NaN is false: no alert then means no data.",
            "A pipeline that runs twice a day has no data here for most of the day: PipelineFailsOften counts over a longer window.",
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
        f"More than {humanized_share(limit)} of the {things} in the last {window} {fate}",
        f"{_SHARE} of the {things} in the last {window} {fate}.",
        (
            Case(
                f"more of the {things} {fate} than the limit allows",
                counted(bad, count),
                15 * _MINUTE,
                (Fired(shown={_SHARE: humanized_share(bad / count)}),),
            ),
            Case(f"fewer of the {things} {fate}", counted(math.floor(limit * count), count), 15 * _MINUTE),
            Case(f"too few {things} for a rate", counted(few, few), 15 * _MINUTE),
        ),
        why=(f"Fires only when there are at least {fewest} {things} in the window.",),
    )


def _rollback(scope: Scope) -> Rule:
    rollbacks, causes = scope.tool("canary_rollbacks_total"), "canary_rollbacks_by_cause_total"
    asked = f"increase({scope.tool(causes)}[5m]) > 0".replace("\\", "\\\\").replace('"', '\\"')
    template = f'{{{{ range query "{asked}" }}}} {{{{ .Labels.cause }}}}{{{{ end }}}}'
    labels = dict(scope.options.pipeline_series)
    of_cause = scope.tool(causes, 'cause="latency"')
    return Rule(
        "CanaryRollback",
        f"increase({rollbacks}[5m]) > 0",
        "critical",
        "Canary deployment rolled back",
        f"The canary has no traffic any more. `dawsos show last` has the rule, the value and the limit. Causes:{template}",
        (
            Case(
                "a rollout was rolled back",
                {rollbacks: "3+0x4 4+0x25", of_cause: "0+0x4 1+0x25"},
                5 * _MINUTE,
                (Fired(labels, {template: " latency"}),),
            ),
            Case("rollbacks of the past", {rollbacks: "4+0x30"}, 5 * _MINUTE),
            Case("it is over five minutes after the rollback", {rollbacks: "3+0x4 4+0x25"}, 15 * _MINUTE),
        ),
        why=(
            "increase() sees nothing of a series that appears at 1, so dawsos exports the counter at 0 from the start.",
            "If Prometheus scrapes nothing for five minutes after a rollback, this rule misses it; CanaryRollbackRate counts it.",
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
        f"Ships take longer than {told(limit)} to begin their rollout",
        f"p95 from the start of a ship to its rollout, without the time that people took to approve: {_TIME}.",
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
            "Over a day, because in an hour there is often no ship, and the quantile is NaN.",
            "With few ships p95 is about the slowest one. Within a bucket it is an estimate.",
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
        f"Its attempts in the last day took {_TIME} on average. A stage that uses up its budget is stopped and fails.",
        (case("stages take most of their budgets", 0.9, True), case("stages take half of their budgets", 0.5, False)),
        why=("A stage that did not run in the last day gives 0 / 0 = NaN, and no alert.",),
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
        "The metric {{ $labels.metric }} is absent",
        "The alerts that use it cannot fire until Prometheus scrapes it again.",
        (
            Case("nothing is scraped", {}, at, tuple(Fired({"metric": key, **labels[key]}) for key in queries)),
            Case("every metric is there", there, at),
        ),
        hold=_ABSENT_FOR,
    )

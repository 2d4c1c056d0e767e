"""The dashboards of the rollout and of the service: the traffic against what pipeline.yaml allows.  Pure."""

from __future__ import annotations

from dawsos.exporters.grafana_panels import Board, Limit, Panel, Row, Section, Series, Target, uid
from dawsos.exporters.grafana_pipeline import age, last_run
from dawsos.exporters.grafana_queries import (
    CHOSEN,
    ONE,
    RATE_WINDOW,
    deployment,
    environment,
    error_rate,
    grown,
    job,
    latency,
    share,
    tool,
)
from dawsos.model.exports import AlertsOptions, GrafanaOptions
from dawsos.model.pipeline import Pipeline

_HERE = 'environment="$environment"'
# The judge's tests in favour of a canary, by the names that analysis/statistical/sentences.py gives them: all others are against it.
_GOOD = "errors below the limit|as fast as the limit"
_FOR, _AGAINST = f'{_HERE},measure=~"{_GOOD}"', f'{_HERE},measure!~"{_GOOD}"'
_CANARY, _STABLE = Series("/-canary$/", "orange"), Series("/-stable$/", "blue")
# Google's "The Site Reliability Workbook", chapter 5: so many times too fast is the error budget of 30 days burnt when a page
# (14.4 within an hour, 6 within six) or a ticket (3 within a day, 1 within three) is due.
_BURNS = (Limit(1, "yellow"), Limit(3, "orange"), Limit(6, "red"), Limit(14.4, "dark-red"))


def rollout_board(pipeline: Pipeline, limits: AlertsOptions) -> Board:
    """The canary beside the stable release, the evidence of the judge, and what was rolled back."""
    return Board(
        "rollout", uid(pipeline.name, "rollout"), f"{pipeline.name}: rollout",
        "The rollout that is under way: its weight, what the judge knows, the canary beside the stable release, and rollbacks.",
        (_rollout_now(pipeline, limits), _judge(pipeline), _canary(pipeline), _rollbacks(limits)),
        (job(), environment(pipeline), deployment()),
        since="1h", refresh="5s", tag=pipeline.name,
    )  # fmt: skip


def _rollout_now(pipeline: Pipeline, limits: AlertsOptions) -> Row:
    weight = tool("canary_weight_ratio", _HERE)
    known, limit = tool("canary_evidence", _AGAINST), tool("canary_evidence_limit", _AGAINST)
    return Row("What is wrong now", (
        Panel(
            "Canary's weight", "stat", "The canary's share of the traffic: 0 % when no rollout is under way.",
            (Target(f"max({weight})"),), unit="percentunit", base="blue", width=4, height=4, section=Section.BAD_NOW,
        ),
        Panel(
            "Measures over their limit", "stat", "How many measures of the canary are beyond what the judge allows.",
            (Target(f"sum({known} >= bool {limit})"),), limits=(Limit(1),),
            width=4, height=4, none="no rollout", section=Section.ROLLBACK,
        ),
        _errors_now(pipeline),
        _latency_now(pipeline),
        Panel(
            "Rollbacks", "stat", "Rollouts that were rolled back in the time shown.",
            (Target(grown(tool("canary_rollbacks_total"))),), whole=True, limits=(Limit(ONE),), width=4, height=4,
            section=Section.ROLLBACK,
        ),
        _replicas_now(pipeline),
        last_run(),
        age(limits),
    ))  # fmt: skip


def _errors_now(pipeline: Pipeline) -> Panel:
    return Panel(
        "Error rate", "stat", "Share of the requests that were answered with 5xx. Red from the SLO on.",
        (Target(error_rate(CHOSEN, "deployment"), "{{deployment}}"),), unit="percentunit",
        limits=(Limit(pipeline.slo.error_rate),), width=4, height=4, names=True, none="no traffic", section=Section.ERRORS,
    )  # fmt: skip


def _latency_now(pipeline: Pipeline) -> Panel:
    return Panel(
        "p95", "stat", "95 of 100 requests were answered within this time. Red from the SLO on.",
        (Target(latency(0.95, CHOSEN, "deployment"), "{{deployment}}"),), unit="s",
        limits=(Limit(pipeline.slo.warm_p95),), width=4, height=4, names=True, none="no traffic", section=Section.LATENCY,
    )  # fmt: skip


def _replicas_now(pipeline: Pipeline) -> Panel:
    wanted = pipeline.environments[pipeline.rollout_stage().environment].replicas
    return Panel(
        "Replicas that answer", "stat", f"Replicas whose metrics page answers. Red below the {wanted} of pipeline.yaml.",
        (Target(f"sum by (deployment) (up{{{CHOSEN}}})", "{{deployment}}"),), base="red", limits=(Limit(wanted, "green"),),
        width=4, height=4, names=True, none="none is scraped", section=Section.CRASHES,
    )  # fmt: skip


def _judge(pipeline: Pipeline) -> Row:
    against, its_limit = tool("canary_evidence", _AGAINST), tool("canary_evidence_limit", _AGAINST)
    good, shown = tool("canary_evidence", _FOR), tool("canary_evidence_limit", _FOR)
    ladder = tuple(Limit(step.weight / 100, "blue") for step in pipeline.rollout.ladder)
    return Row("Rollout", (
        Panel(
            "Evidence against the canary", "timeseries",
            "The judge's evidence against the canary, divided by its limit. At 1, the line, the canary is held or rolled back.",
            (Target(f"{against} / {its_limit}", "{{measure}}"),), limits=(Limit(1),), none="no rollout",
            section=Section.ROLLBACK,
        ),
        Panel(
            "Evidence for the canary", "timeseries",
            "The judge's evidence that the canary is within its limits. `advance: evidence` waits until it is at 1, the line.",
            (Target(f"{good} / {shown}", "{{measure}}"),), base="orange", limits=(Limit(1, "green"),),
            none="no rollout, or a judge that compares with limits only", section=Section.ROLLBACK,
        ),
        Panel(
            "Weight and ladder", "timeseries", "The canary's share of the traffic. The lines are the steps of the ladder.",
            (Target(f"max({tool('canary_weight_ratio', _HERE)})", "weight"),), unit="percentunit", base="transparent",
            limits=ladder, section=Section.BAD_NOW,
        ),
    ))  # fmt: skip


def _canary(pipeline: Pipeline) -> Row:
    sides, counters = (_CANARY, _STABLE), pipeline.rollout.failure_counters
    panels = [
        Panel(
            "Error rate",
            "timeseries",
            "Share of the requests that were answered with 5xx. The line is the SLO.",
            (Target(error_rate(CHOSEN, "deployment"), "{{deployment}}"),),
            unit="percentunit",
            limits=(Limit(pipeline.slo.error_rate),),
            series=sides,
            width=12,
            none="no traffic",
            section=Section.ERRORS,
        ),
        Panel(
            "p95",
            "timeseries",
            "95 of 100 requests were answered within this time. The line is the SLO.",
            (Target(latency(0.95, CHOSEN, "deployment"), "{{deployment}}"),),
            unit="s",
            limits=(Limit(pipeline.slo.warm_p95),),
            series=sides,
            width=12,
            none="no traffic",
            section=Section.LATENCY,
        ),
        Panel(
            "Requests",
            "timeseries",
            "Requests a second that each version answered, as its own replicas count them.",
            (Target(f"sum by (deployment) (rate(http_requests_total{{{CHOSEN}}}[{RATE_WINDOW}]))", "{{deployment}}"),),
            unit="reqps",
            series=sides,
            width=12,
            none="no traffic",
            section=Section.BAD_NOW,
        ),
    ]
    if counters:
        panels.append(_failures(counters))
    return Row("Canary beside stable", tuple(panels))  # fmt: skip


def _failures(counters: tuple[str, ...]) -> Panel:
    """Each counter of ``rollout.failure_counters``: one failure rolls a canary back."""
    return Panel(
        "Failure counters", "timeseries", "Failures that the service itself counts, in the time shown. One rolls a canary back.",
        tuple(Target(grown(f"{name}{{{CHOSEN}}}", "deployment"), f"{name} {{{{deployment}}}}") for name in counters),
        limits=(Limit(1),), width=12, none="the service does not export them", section=Section.FAILURES,
    )  # fmt: skip


def _rollbacks(limits: AlertsOptions) -> Row:
    causes = tool("canary_rollbacks_by_cause_total")
    deployments = tool("deployments_total", _HERE)
    begun, undone = tool("canary_deployments_total"), tool("canary_rollbacks_total")
    return Row("Rollbacks and deployments", (
        Panel(
            "Rollbacks by cause", "bargauge", "Why rollouts were rolled back in the time shown.",
            (Target(f"topk(6, {grown(causes, 'cause')})", "{{cause}}"),), whole=True, limits=(Limit(ONE, "orange"),),
            section=Section.ROLLBACK_RATE,
        ),
        Panel(
            "Rollback rate", "stat", "Share of the rollouts of the last 30 days that were rolled back.",
            (Target(share(undone, begun)),), unit="percentunit", limits=(Limit(limits.rollback_rate),), none="no rollout", over="30d",
            section=Section.ROLLBACK_RATE,
        ),
        Panel(
            "Deployments by how they ended", "bargauge", "Deployments to the environment in the time shown.",
            (Target(f"sort_desc({grown(deployments, 'result')})", "{{result}}"),), whole=True, base="blue",
            section=Section.ROLLBACK_RATE,
        ),
    ))  # fmt: skip


def service_board(pipeline: Pipeline, options: GrafanaOptions) -> Board:
    """What the users see: requests, errors and latency against the SLOs."""
    return Board(
        # The name by which people know the page of a service that they look at first.
        "service", uid(pipeline.name, "overview"), f"{pipeline.name}: service",
        "What the users of the service see, against the objectives of pipeline.yaml.",
        (_service_now(pipeline), _service_over_time(pipeline), _endpoints(pipeline, options.endpoint)),
        (environment(pipeline), deployment()),
        since="6h", refresh="30s", tag=pipeline.name,
    )  # fmt: skip


def _service_now(pipeline: Pipeline) -> Row:
    panels = [_errors_now(pipeline), _latency_now(pipeline)]
    if pipeline.slo.error_rate > 0:
        panels.append(_budget(pipeline.slo.error_rate))
    rate = Panel(
        "Requests", "stat", "Requests a second that the replicas answered.",
        (Target(f"sum(rate(http_requests_total{{{CHOSEN}}}[{RATE_WINDOW}]))"),), unit="reqps", base="blue",
        width=4, height=4, none="no traffic", section=Section.BAD_NOW,
    )  # fmt: skip
    return Row("What is wrong now", (*panels, rate, _replicas_now(pipeline)))


def _budget(allowed: float) -> Panel:
    left = f"1 - ({error_rate(CHOSEN, window='$__range')}) / {allowed:g}"
    return Panel(
        "Error budget left", "stat",
        f"What is left of the budget: {allowed:.4g} of the requests of the last 30 days may fail. Below 0 the SLO is missed.",
        (Target(left),), unit="percentunit", base="red", limits=(Limit(0, "orange"), Limit(0.25, "green")),
        width=4, height=4, none="no traffic", over="30d", section=Section.ERRORS,
    )  # fmt: skip


def _service_over_time(pipeline: Pipeline) -> Row:
    slo = pipeline.slo
    panels = [
        Panel(
            "Requests by status",
            "timeseries",
            "Requests a second, by the status that they were answered with.",
            (Target(f"sum by (status) (rate(http_requests_total{{{CHOSEN}}}[{RATE_WINDOW}]))", "{{status}}"),),
            unit="reqps",
            series=(Series("/^5/", "red"), Series("/^2/", "green")),
            width=12,
            none="no traffic",
            section=Section.ERRORS,
            stacked=True,
        ),
        Panel(
            "Error rate",
            "timeseries",
            "Share of the requests that were answered with 5xx. The line is the SLO.",
            (Target(error_rate(CHOSEN), "error rate"),),
            unit="percentunit",
            limits=(Limit(slo.error_rate),),
            width=12,
            none="no traffic",
            section=Section.ERRORS,
        ),
        Panel(
            "Latency",
            "timeseries",
            "p50: half of the requests were answered within this time; p95 and p99 likewise. The line is the SLO of p95.",
            tuple(Target(latency(part, CHOSEN), f"p{part * 100:g}") for part in (0.5, 0.9, 0.95, 0.99)),
            unit="s",
            limits=(Limit(slo.warm_p95),),
            width=12,
            none="no traffic",
            section=Section.LATENCY,
        ),
    ]
    if slo.error_rate > 0:
        panels.append(_burn(slo.error_rate))
    if pipeline.rollout.failure_counters:
        panels.append(_failures(pipeline.rollout.failure_counters))
    return Row("Requests against the objectives", tuple(panels))  # fmt: skip


def _burn(allowed: float) -> Panel:
    rates = tuple(
        Target(f"{error_rate(CHOSEN, window=window)} / {allowed:g}", window) for window in ("5m", "1h", "6h", "3d")
    )
    return Panel(
        "Burn of the error budget", "timeseries",
        "How many times faster than allowed the error budget is spent. At 1 it lasts 30 days; at 14.4 an hour costs 2 % of it.",
        rates, limits=_BURNS, width=12, none="no traffic", section=Section.ERRORS,
    )  # fmt: skip


def _endpoints(pipeline: Pipeline, label: str) -> Row:
    """Where users are hit.  A service without the label has one bar for all of its pages."""
    slo, named = pipeline.slo, f"{{{{{label}}}}}"
    return Row("Endpoints", (
        Panel(
            "Endpoints that fail most", "bargauge", "Share of the requests of a page that were answered with 5xx; red from the SLO.",
            (Target(f"topk(10, {error_rate(CHOSEN, label)})", named),), unit="percentunit", limits=(Limit(slo.error_rate),),
            width=12, height=10, none="no traffic", section=Section.ERRORS,
        ),
        Panel(
            "Slowest endpoints, p95", "bargauge", "95 of 100 requests of a page were answered within this time. Red from the SLO on.",
            (Target(f"topk(10, {latency(0.95, CHOSEN, label)})", named),), unit="s", limits=(Limit(slo.warm_p95),),
            width=12, height=10, none="no traffic", section=Section.LATENCY,
        ),
    ))  # fmt: skip

"""The dashboard of the pipeline: runs, stages, gates, approvals and the measures of DORA.  Pure."""

from __future__ import annotations

from dawsos.exporters.grafana_panels import Board, Limit, Panel, Row, Section, Series, Target, uid
from dawsos.exporters.grafana_queries import ONE, grown, job, quantile, share, tool
from dawsos.model.exports import AlertsOptions
from dawsos.model.pipeline import Pipeline

_DAY = 86400.0


def age(limits: AlertsOptions) -> Panel:
    return Panel(
        "Age of the numbers", "stat",
        "Time since the tool wrote what is shown here. If it grows, nobody writes it any more, and the rest of this page is old.",
        (Target(f"time() - max({tool('dawsos_metrics_written_timestamp_seconds')})"),),
        unit="s", limits=(Limit(limits.stale),), width=4, height=4, section=Section.STALE,
    )  # fmt: skip


def last_run() -> Panel:
    ships = tool("ci_pipeline_last_run_timestamp_seconds", 'command="ship"')
    return Panel(
        "Last ship", "stat", "How the last ship ended, and when.",
        (Target(f"topk(1, max by (result) ({ships})) * 1000", "{{result}}"),),
        unit="dateTimeFromNow", width=4, height=4, names=True, none="nothing was shipped",
        section=Section.RUNS_FAIL,
    )  # fmt: skip


def pipeline_board(pipeline: Pipeline, limits: AlertsOptions) -> Board:
    """Runs, stages, gates, approvals and DORA's five."""
    has_rollout = any(stage.uses == "rollout" for stage in pipeline.stages)
    return Board(
        "pipeline", uid(pipeline.name, "pipeline"), f"{pipeline.name}: pipeline",
        "Runs of the pipeline: what fails, what waits, how long it takes, and how often a change gets to the users.",
        (_runs_now(limits, has_rollout), _runs_over_time(limits, has_rollout), _stages(pipeline), _delivery()), (job(),),
        since="7d", refresh="1m", tag=pipeline.name,
    )  # fmt: skip


def _work(has_rollout: bool) -> str:
    """Return the buckets of the time that the target is for: without a rollout, whose ladder alone may take longer."""
    if has_rollout:
        return tool("ci_pipeline_time_to_canary_seconds_bucket")
    return tool("ci_pipeline_duration_seconds_bucket", 'command="ship"')


def _until(has_rollout: bool) -> str:
    return "until the rollout began, waiting for people left out" if has_rollout else "from start to end"


def _runs_now(limits: AlertsOptions, has_rollout: bool) -> Row:
    runs, succeeded = tool("ci_pipeline_runs_total"), tool("ci_pipeline_runs_total", 'result="success"')
    waiting = tool("ci_pipeline_approval_waiting_since_timestamp_seconds")
    return Row("What is wrong now", (
        Panel(
            "Runs that succeeded", "stat", "Share of the runs that ended as they should.",
            (Target(share(succeeded, runs)),), unit="percentunit", base="red", limits=(Limit(1 - limits.failure_rate, "green"),),
            width=4, height=4, none="no run ended", section=Section.RUNS_FAIL,
        ),
        Panel(
            "Time of a ship, p95", "stat", f"95 of 100 ships took at most this long {_until(has_rollout)}.",
            (Target(quantile(0.95, _work(has_rollout))),), unit="s", limits=(Limit(limits.duration),),
            width=4, height=4, none="no ship so far", section=Section.SLOW,
        ),
        Panel(
            "Approvals that wait", "stat", "For how long each stage has been waiting for a person.",
            (Target(f"time() - max by (stage) ({waiting})", "{{stage}}"),), unit="s", base="orange",
            limits=(Limit(limits.approval),), width=4, height=4, names=True, none="nothing waits", section=Section.APPROVAL,
        ),
        Panel(
            "Unfinished runs", "stat", "Runs that have begun and not ended: under way, waiting, or interrupted.",
            (Target(f"sum({tool('ci_pipeline_runs_unfinished')})"),), base="blue", width=4, height=4, section=Section.INTERRUPTED,
        ),
        last_run(),
        age(limits),
    ))  # fmt: skip


def _runs_over_time(limits: AlertsOptions, has_rollout: bool) -> Row:
    runs = tool("ci_pipeline_runs_total")
    whole = tool("ci_pipeline_duration_seconds_bucket", 'command="ship"')
    ends = tool("ci_waiver_expires_timestamp_seconds")
    return Row("Runs", (
        Panel(
            "Runs by how they ended", "bargauge", "Runs that ended, by command and outcome.",
            (Target(f"topk(8, {grown(runs, 'command, outcome')})", "{{command}}: {{outcome}}"),), whole=True, base="blue",
            section=Section.RUNS_FAIL_OFTEN,
        ),
        Panel(
            "Time of a ship", "timeseries",
            f"95 of 100 ships, and half of them, took at most this long {_until(has_rollout)}; the third line is from start to end. "
            "A point looks back over the time shown. The line is the target for p95.",
            (
                Target(quantile(0.95, _work(has_rollout)), "p95"),
                Target(quantile(0.5, _work(has_rollout)), "median"),
                Target(quantile(0.95, whole), "p95, start to end"),
            ),
            unit="s", limits=(Limit(limits.duration),), none="no ship so far", section=Section.SLOW,
        ),
        Panel(
            "Waivers that end", "bargauge", "Time until a waiver of a finding ends; from then on its gate fails.",
            (Target(f"sort(min by (stage, gate) ({ends}) - time())", "{{stage}}: {{gate}}"),), unit="s", base="red",
            limits=(Limit(0, "orange"), Limit(limits.waiver, "green")), none="no waiver", section=Section.WAIVER,
        ),
    ))  # fmt: skip


def _stages(pipeline: Pipeline) -> Row:
    failed = tool("ci_pipeline_stages_total", 'result!~"passed|restored|skipped"')
    gates = tool("ci_pipeline_gates_total", 'result!="pass"')
    buckets = tool("ci_pipeline_stage_duration_seconds_bucket")
    budgets = tuple(Series(stage.id, limit=stage.budget) for stage in pipeline.stages)
    return Row("Stages and gates", (
        Panel(
            "Stages that fail most", "bargauge", "How often a stage did not pass.",
            (Target(f"topk(10, {grown(failed, 'stage')})", "{{stage}}"),), whole=True,
            limits=(Limit(ONE, "orange"),), height=10, section=Section.RUNS_FAIL_OFTEN,
        ),
        Panel(
            "Gates that fail most", "bargauge", "How often a gate failed, had no data or met an error.",
            (Target(f"topk(10, {grown(gates, 'stage, gate, result')})", "{{stage}}: {{gate}} ({{result}})"),), whole=True,
            limits=(Limit(ONE, "orange"),), height=10, section=Section.RUNS_FAIL_OFTEN,
        ),
        Panel(
            "Duration of stages, p95", "bargauge",
            "95 of 100 attempts of a stage took at most this long. A full bar is the stage's budget: it is then stopped.",
            (Target(f"sort_desc({quantile(0.95, buckets, 'stage')})", "{{stage}}"),), unit="s", series=budgets, height=10,
            none="no stage ended", section=Section.NEAR_BUDGET,
        ),
    ))  # fmt: skip


def _delivery() -> Row:
    deployed, failed = tool("dora_deployments_total"), tool("dora_failed_deployments_total")
    rework = tool("dora_rework_deployments_total")

    def panel(title: str, text: str, query: str, unit: str, none: str = "no deployment") -> Panel:
        return Panel(title, "stat", text, (Target(query),), unit, base="blue", width=4, height=5, none=none, over="30d")

    return Row("Delivery: the five measures of DORA, 30 days", (
        panel(
            "Change lead time, median", "From a commit to its promotion in production.",
            quantile(0.5, tool("dora_lead_time_seconds_bucket")), "s",
        ),
        panel(
            "Deployments a day", "Releases that served users, also those that were taken back.",
            f"{grown(deployed)} / ($__range_s / {_DAY:g})", "short",
        ),
        panel(
            "Change fail rate", "Share of the deployments that were rolled back, reverted, or replaced by a hotfix.",
            share(failed, deployed), "percentunit",
        ),
        panel(
            "Failed deployment recovery time, median", "For how long a failed deployment served users.",
            quantile(0.5, tool("dora_recovery_seconds_bucket")), "s", none="nothing to recover from",
        ),
        panel("Rework rate", "Share of the deployments that were hotfixes.", share(rework, deployed), "percentunit"),
    ))  # fmt: skip

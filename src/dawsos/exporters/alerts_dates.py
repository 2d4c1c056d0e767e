"""The alerts on what has a date: approvals that wait, waivers and certificates that end, a page of metrics that gets old.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dawsos.exporters.alerts_rule import Case, Fired, Rule, Scope, humanized_duration, number, quoted

# Of Prometheus' blackbox exporter.
PROBED = "probe_ssl_earliest_cert_expiry"
_TIME = "{{ $value | humanizeDuration }}"


def dated_rules(scope: Scope) -> Iterator[Rule]:
    """Yield the rules; that on approvals where somebody is asked for one."""
    if any(stage.approval for stage in scope.pipeline.stages):
        yield _approval(scope)
    yield _waiver(scope)
    yield _certificate(scope)
    yield _stale(scope)


def _approval(scope: Scope) -> Rule:
    limit = scope.options.approval
    waiting = next(stage for stage in scope.pipeline.stages if stage.approval)
    of = f'stage="{waiting.id}"'
    name = "ci_pipeline_approval_waiting_since_timestamp_seconds"
    labels = {"stage": waiting.id, **scope.options.pipeline_series}
    series = scope.tool(name, of)
    return Rule(
        "ApprovalWaiting",
        f"time() - {scope.tool(name)} > {number(limit)}",
        "warning",
        "Stage {{ $labels.stage }} waits for an approval",
        f"The run asked for it {_TIME} ago. `dawsos status` names the run, `dawsos show RUN` its report.",
        (
            _aged("an approval waits", series, 2 * limit, Fired(labels)),
            _aged("an approval was just asked for", series, limit / 2),
        ),
        why=("The series exists only while an approval is pending, so its absence is normal.",),
    )


def _aged(name: str, series: str, age: float, fired: Fired | None = None) -> Case:
    """Return the case in which a point of time is ``age`` seconds ago; a negative age is ahead."""
    shown = {_TIME: humanized_duration(abs(age))}
    at = 300.0
    fires = () if fired is None else (Fired(fired.labels, {**shown, **fired.shown}),)
    return Case(name, {series: f"{number(at - age)}+0x30"}, at, fires)


def _waiver(scope: Scope) -> Rule:
    ahead = scope.options.waiver
    name = "ci_waiver_expires_timestamp_seconds"
    of = {"stage": "any", "gate": "waived"}
    series = scope.tool(name, *(f'{key}="{value}"' for key, value in of.items()))
    fired = Fired({**of, **scope.options.pipeline_series})
    cases = [_aged("it ends soon", series, -ahead / 2, fired), _aged("it ends later", series, -2 * ahead)]
    expr = f"{scope.tool(name)} - time() < {number(ahead)}"
    for stage, gate, age in _dated_gates(scope):
        of = {"stage": stage, "gate": gate}
        series = scope.tool(name, *(f"{key}={quoted(value)}" for key, value in of.items()))
        expr += f"\nunless {series} - time() > {number(age / 2)}"
        fired = Fired({**of, **scope.options.pipeline_series})
        cases += [
            _aged(f"the data of {stage} {gate} are new", series, -0.75 * age),
            _aged(f"the data of {stage} {gate} are old", series, -0.25 * age, fired),
        ]
    return Rule(
        "WaiverExpires",
        expr,
        "warning",
        "A waiver of the gate {{ $labels.gate }} in stage {{ $labels.stage }} ends soon",
        f"The waiver, or the data with a maximum age, on which the gate passed ends in {_TIME}. After that the stage fails.",
        tuple(cases),
        why=(
            "The series exists only for a gate that passed on a waiver, or on data with a maximum age.",
            "With a max_age each run has new data and a new end, so the alert fires when half of max_age is over.",
        ),
    )


def _dated_gates(scope: Scope) -> Iterator[tuple[str, str, float]]:
    """Yield stage, gate and ``max_age`` of gates whose data have an age that the rule on waivers would always tell."""
    for stage in scope.pipeline.stages:
        for gate in stage.gates:
            age: float | None = getattr(gate.options, "max_age", None)
            if age is not None and age / 2 < scope.options.waiver:
                yield stage.id, gate.name, age


def _certificate(scope: Scope) -> Rule:
    ahead = scope.options.certificate
    own = "ci_certificate_expires_timestamp_seconds"
    series, labels = scope.tool(own, 'subject="shop"'), {"subject": "shop", **scope.options.pipeline_series}
    site = "https://shop.example"
    return Rule(
        "CertificateExpires",
        f"({scope.tool(own)} or {PROBED}) - time() < {number(ahead)}",
        "warning",
        "A certificate expires soon",
        f"It expires in {_TIME}. Subject: {{{{ $labels.subject }}}}; probed at: {{{{ $labels.instance }}}}.",
        (
            _aged("it ends soon", series, -ahead / 2, Fired(labels)),
            _aged("a probed one ends soon", f'{PROBED}{{instance="{site}"}}', -ahead / 2, Fired({"instance": site})),
            _aged("it ends later", series, -2 * ahead),
            _aged("a probed one ends later", f'{PROBED}{{instance="{site}"}}', -2 * ahead),
        ),
        why=(
            f"{PROBED} comes from Prometheus' blackbox exporter. If neither metric is scraped, no certificate is checked;",
            "with `certificates: true` PipelineMetricsAbsent then fires.",
        ),
    )


def _stale(scope: Scope) -> Rule:
    limit = scope.options.stale
    series = scope.tool("dawsos_metrics_written_timestamp_seconds")
    labels = dict(scope.options.pipeline_series)
    return Rule(
        "PipelineMetricsStale",
        f"time() - {series} > {number(limit)}",
        "warning",
        "The pipeline metrics are stale",
        f"They were written {_TIME} ago. Until they are written again, the alerts on the pipeline judge old numbers.",
        (_aged("an old page", series, 2 * limit, Fired(labels)), _aged("a new page", series, limit / 2)),
    )

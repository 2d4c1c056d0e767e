"""The canary's part of the report: curves, steps, verdict, rollback.  Pure."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from dawsos.model.run import RolloutRecord
from dawsos.reporting import formatting
from dawsos.reporting.charts import Chart, Line, Mark, line_chart
from dawsos.reporting.comparison import comparison_view
from dawsos.reporting.series import Side, Tick, last_weight, rolling, step_totals, thin, ticks, weight_steps
from dawsos.reporting.summary import fired_rule, rollback_text

_POINTS = 180


def canary_view(rollout: RolloutRecord, now: float) -> dict[str, Any]:
    """Return what the template shows of a rollout, finished or not."""
    found = ticks(rollout)
    last = found[-1] if found else None
    failed = rollout.outcome in ("rolled_back", "withdrawn") or rollout.decision == "rollback"
    return {
        "charts": [Markup(chart) for chart in charts(rollout, found, now)],  # noqa: S704 - charts escape their texts
        "steps": [_step(step.weight, step.start, step.total) for step in step_totals(found)],
        "verdict": last.verdict if last else "no_data",
        "reason": last.reason if last else "no sample was taken",
        "decision": rollout.decision,
        "why": formatting.one_line(rollout.reason),
        "requested": formatting.one_line(rollout.requested),
        "rule": fired_rule(rollout) if failed else None,
        "rollback": rollback_text(rollout) if rollout.outcome in ("rolled_back", "withdrawn") else "",
        "release": formatting.short(rollout.release),
        "deployment": formatting.clean(rollout.deployment),
        "stable": formatting.short(rollout.stable_release),
        "drill": formatting.one_line(rollout.drill),
        "traffic": formatting.clean(rollout.traffic),
        "ladder": [(weight, weight <= last_weight(rollout)) for weight in rollout.ladder],
        "check": formatting.span(_check_seconds(rollout)),
        "compared": comparison_view(rollout.compared) if rollout.compared else None,
        "power": [formatting.one_line(line) for line in rollout.power.steps] if rollout.power else [],
        "warnings": [formatting.one_line(line) for line in rollout.power.warnings] if rollout.power else [],
        "readings": _readings(rollout),
        "told": [
            (formatting.clock(at), formatting.clean(one.phase), formatting.one_line(one.message))
            for at, one in rollout.told
        ],
        "merged": len(found) > _POINTS,
        "samples": len(found),
    }


def _check_seconds(rollout: RolloutRecord) -> float:
    return formatting.policy_number(rollout.policy, "check_interval") or 5.0


def _readings(rollout: RolloutRecord) -> list[dict[str, str]]:
    """Return the judge's tests at the last sample: evidence beside its limit, both as e-values."""
    rows = []
    for reading in rollout.samples[-1].evidence if rollout.samples else ():
        log_e, limit = formatting.number(reading.log_e), formatting.number(reading.limit)
        if log_e is None or limit is None:
            continue
        low, high = reading.low, reading.high
        between = (
            f", {formatting.percent(low)} to {formatting.percent(high)}" if low is not None and high is not None else ""
        )
        rows.append({
            "name": formatting.one_line(reading.name),
            "evidence": f"{math.exp(min(log_e, 50.0)):.3g}",
            "limit": f"{math.exp(limit):.0f}",
            "canary": formatting.percent(reading.estimate) + between,
            "stable": formatting.percent(reading.compared),
            "counts": f"{reading.bad:,} of {reading.requests:,}" if reading.requests else "",
        })  # fmt: skip
    return rows


def _evidence_chart(rollout: RolloutRecord, found: tuple[Tick, ...], end: float, marks: tuple[Mark, ...]) -> list[str]:
    if not any(tick.evidence is not None for tick in found):
        return []
    first = next((reading.limit for sample in rollout.samples for reading in sample.evidence[:1]), None)
    points = [(tick.at, None if tick.evidence is None else max(0.0, tick.evidence)) for tick in found]
    line = Line("worse than stable", "canary", points, fill=True)
    return [
        line_chart(
            Chart("Evidence (logarithm)", [line], _plain, end, limit=formatting.number(first), marks=marks, height=104)
        )
    ]


def charts(rollout: RolloutRecord, found: tuple[Tick, ...], now: float) -> list[str]:
    """Return the charts over one time axis: weight, evidence where the judge keeps any, errors, latency, traffic."""
    end = _end(rollout, found, now)
    marks = _marks(rollout, found)
    summed = thin(rolling(found, _check_seconds(rollout)), _POINTS)
    single = thin(found, _POINTS)
    steps = [*weight_steps(rollout)]
    steps.append((end, steps[-1][1]))
    weight, *others = [
        line_chart(Chart(
            "Weight of the canary", [Line("canary", "canary", steps, step=True, fill=True)], _whole_percent, end,
            marks=marks, height=116, top=100.0, labels=True,
        )),
        line_chart(Chart(
            "Error rate", _pair(summed, lambda side: side.error_rate), _percent, end,
            limit=formatting.policy_number(rollout.policy, "error_rate"), marks=marks,
        )),
        line_chart(Chart(
            "Latency p95", _pair(single, lambda side: side.p95), formatting.latency, end,
            limit=formatting.policy_number(rollout.policy, "p95"), marks=marks,
        )),
        line_chart(Chart("Requests a second", _rates(single), _plain, end, marks=marks, height=104)),
    ]  # fmt: skip
    return [weight, *_evidence_chart(rollout, single, end, marks), *others]


def _pair(found: tuple[Tick, ...], value: Any) -> list[Line]:
    """Return both versions' curves, the stable one below."""
    return [
        Line("stable", "stable", [(tick.at, value(tick.stable)) for tick in found]),
        Line("canary", "canary", [(tick.at, value(tick.canary)) for tick in found]),
    ]


def _rates(found: tuple[Tick, ...]) -> list[Line]:
    return [
        Line("stable", "stable", [(tick.at, tick.rate(tick.stable)) for tick in found]),
        Line("canary", "canary", [(tick.at, tick.rate(tick.canary)) for tick in found], fill=True),
    ]


def _end(rollout: RolloutRecord, found: tuple[Tick, ...], now: float) -> float:
    if rollout.finished_at is not None:
        return max(1.0, rollout.finished_at - rollout.started_at)
    return max(1.0, found[-1].at if found else now - rollout.started_at)


def _marks(rollout: RolloutRecord, found: tuple[Tick, ...]) -> tuple[Mark, ...]:
    if not rollout.decision:
        return ()
    finished = None if rollout.finished_at is None else rollout.finished_at - rollout.started_at
    if finished is not None and rollout.rollback_seconds is not None:
        # The end is recorded once the canary has answered what it had in flight, which may be long after its last request.
        decided = finished - max(rollout.rollback_seconds, rollout.drained or 0.0)
    else:
        decided = found[-1].at if found else finished or 0.0
    if rollout.decision == "rollback":
        marks = [Mark(max(0.0, decided), f"rollback decided {formatting.clock(decided)}", "bad")]
        if finished is not None and finished - decided > 1:
            marks.append(Mark(finished, f"canary silent {formatting.clock(finished)}", "bad"))
        return tuple(marks)
    return (Mark(max(0.0, decided), f"promoted {formatting.clock(decided)}", "good"),)


def _step(weight: int, start: float, total: Tick) -> dict[str, str]:
    return {
        "weight": f"{weight} %",
        "start": formatting.clock(start),
        "seconds": formatting.span(total.seconds),
        **_side("canary", total.canary),
        **_side("stable", total.stable),
        "verdict": total.verdict,
    }


def _side(name: str, side: Side) -> dict[str, str]:
    return {
        f"{name}_requests": f"{side.requests:,}",
        f"{name}_errors": f"{side.errors:,}",
        f"{name}_rate": formatting.percent(side.error_rate),
        f"{name}_p95": formatting.latency(side.p95),
    }


def _whole_percent(value: float) -> str:
    return f"{value:.0f} %"


def _percent(share: float) -> str:
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text} %"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"

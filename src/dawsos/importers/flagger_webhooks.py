"""What the webhooks of a Canary do to it, one kind at a time.  Pure.

From fluxcd/flagger at 15bd6ad, ``pkg/controller/scheduler_hooks.go``, ``scheduler.go`` and ``webhook.go``: a webhook agrees with a
status up to 202, and with nothing else (204 is a refusal); it has 10 s unless it says something else, and the tick waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dawsos.importers.flagger_strategy import Strategy
from dawsos.importers.flagger_values import SCHEMA_TIME, ManifestFinding, Place, listed, mapping, seconds, text

# Kind -> what it does, where ``{}`` is its name.  A kind that is left out is `rollout`.
EFFECTS: Mapping[str, str] = {
    "confirm-rollout": "{} must agree before anything begins; until then it waits, without end (phase Waiting)",
    "pre-rollout": "{} must agree before the first step; each refusal is a failed check",
    "rollout": "{} is asked at each check, before the metrics; a refusal is a failed check",
    "confirm-traffic-increase": "{} must agree to each step and to the promotion; a refusal holds the weight and is no failed check",
    "confirm-promotion": "{} must agree before the promotion; until then it waits, without end, and the checks go on",
    "post-rollout": "{} is told of the end; what it answers changes nothing",
    "rollback": "{} is asked at each tick while it runs: 200 to 202 is a rollback at once",
    "event": "{} is told every event; what it answers changes nothing",
}
_GATES = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")
_USUAL = 10.0


def kind_of(hook: Mapping[str, Any]) -> str:
    """Return what a webhook is; without a type it is asked at each check."""
    return text(hook.get("type")) or "rollout"


def gates_of(analysis: Mapping[str, Any], strategy: Strategy) -> tuple[str, ...]:
    """Return the names of the webhooks that a healthy canary waits for."""
    hooks = [mapping(hook) for hook in listed(analysis.get("webhooks"))]
    asked = [kind for kind in _GATES if strategy == "canary" or kind != "confirm-traffic-increase"]
    return tuple(text(hook.get("name")) or "?" for hook in hooks if kind_of(hook) in asked)


def webhook_findings(
    analysis: Mapping[str, Any], place: Place, strategy: Strategy, interval: float
) -> Iterator[ManifestFinding]:
    """Return what is to be known of each webhook."""
    for index, raw in enumerate(listed(analysis.get("webhooks"))):
        where, hook = (*place, "webhooks", index), mapping(raw)
        name, kind = text(hook.get("name")) or "a webhook", kind_of(hook)
        missing = [key for key in ("name", "url") if not hook.get(key)]
        if missing:
            said = f"a webhook without {' and '.join(missing)}: the API server refuses the Canary"
            yield ManifestFinding("error", where, said, f"write its {' and '.join(missing)}")
        if kind not in EFFECTS:
            said = f"{name}: the API server refuses the type {kind!r}"
            yield ManifestFinding("error", where, said, f"one of {', '.join(EFFECTS)}")
            continue
        yield ManifestFinding("note", where, f"webhook {kind}: {EFFECTS[kind].format(name)}", "")
        if kind == "confirm-traffic-increase" and strategy != "canary":
            said = f"{name}: confirm-traffic-increase is never asked with iterations"
            yield ManifestFinding("warning", where, said, "use confirm-promotion, or stepWeights")
        yield from _time(hook, name, where, interval)


def _time(hook: Mapping[str, Any], name: str, where: Place, interval: float) -> Iterator[ManifestFinding]:
    wanted = hook.get("timeout")
    if wanted is not None and not SCHEMA_TIME.match(text(wanted)):
        said = f"{name}: the API server refuses the timeout {wanted!r}"
        yield ManifestFinding("error", (*where, "timeout"), said, "write 30s or 1m")
        return
    limit = (seconds(wanted) if wanted is not None else None) or _USUAL
    if limit > interval and kind_of(hook) not in ("event", "post-rollout"):
        said = f"{name}: it may take {limit:g} s, longer than the interval of {interval:g} s: the next tick waits, a rollback as well"
        yield ManifestFinding("warning", (*where, "timeout"), said, "let it be shorter than the interval")

"""What each kind of webhook does, and what one says that Flagger does not do."""

from __future__ import annotations

from typing import Any

import pytest

from exporters.flagger_crd import problems
from importers.canaries import GONE, changed, new, read

EFFECT = {
    "confirm-rollout": "must agree before anything begins",
    "pre-rollout": "must agree before the first step; each refusal is a failed check",
    "rollout": "is asked at each check, before the metrics; a refusal is a failed check",
    "": "is asked at each check, before the metrics",
    "confirm-traffic-increase": "must agree to each step and to the promotion; a refusal holds the weight and is no failed check",
    "confirm-promotion": "must agree before the promotion",
    "post-rollout": "is told of the end; what it answers changes nothing",
    "rollback": "200 to 202 is a rollback at once",
    "event": "is told every event; what it answers changes nothing",
}
WAITED_FOR = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")


def with_hook(**hook: Any) -> dict[str, Any]:
    load = {"name": "load", "type": "rollout", "url": "http://tester/", "timeout": "5s"}
    return {"webhooks": [load, {"name": "mine", "url": "http://mine/", **hook}]}


@pytest.mark.parametrize("kind", EFFECT)
def test_every_kind_is_explained_and_only_those_are_waited_for_that_flagger_waits_for(kind: str) -> None:
    analysis = with_hook(type=kind)
    manifest = read(analysis)
    assert problems(changed(analysis)) == []
    (level, message) = next(each for each in new(manifest) if "mine" in each[1])
    assert (level, EFFECT[kind] in message) == ("note", True)
    assert manifest.gates == (("mine",) if kind in WAITED_FOR else ())


@pytest.mark.parametrize(
    ("hook", "level", "message", "by_schema"),
    [
        ({"type": "confirm"}, "error", "mine: the API server refuses the type 'confirm'", True),
        ({"url": None, "type": "rollout"}, "error", "a webhook without url: the API server refuses", True),
        ({"timeout": "soon"}, "error", "mine: the API server refuses the timeout 'soon'", True),
        ({"timeout": "2m"}, "warning", "mine: it may take 120 s, longer than the interval of 60 s", False),
    ],
)
def test_what_a_webhook_cannot_be(hook: dict[str, Any], level: str, message: str, by_schema: bool) -> None:
    analysis = with_hook(**hook)
    if hook.get("url", "") is None:
        del analysis["webhooks"][1]["url"]
    assert bool(problems(changed(analysis))) is by_schema
    (told,) = [each for each in new(read(analysis)) if message in each[1]]
    assert told[0] == level


def test_a_webhook_of_ten_seconds_delays_a_tick_of_ten_seconds_not() -> None:
    assert not [each for each in new(read({**with_hook(), "interval": "10s"})) if "longer than" in each[1]]


@pytest.mark.parametrize("match", [[], [{"headers": {"x": {"exact": "1"}}}]])
def test_with_iterations_nobody_asks_whether_the_traffic_may_rise(match: list[Any]) -> None:
    analysis = {**with_hook(type="confirm-traffic-increase"), "stepWeights": GONE, "iterations": 3, "match": match}
    manifest = read(analysis)
    assert ("warning", "mine: confirm-traffic-increase is never asked with iterations") in new(manifest)
    assert manifest.gates == ()

"""How the Canary goes: the weights, how long it takes, and what of it would not happen with this provider."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.errors import BadInput
from importers.canaries import GONE, KNATIVE, new, read, said

MATCH = [{"headers": {"x-test": {"exact": "1"}}}]
GATEWAY = {"provider": "gatewayapi:v1", "service": {"port": 80, "gatewayRefs": [{"name": "web"}]}}
NGINX = {"provider": "nginx", "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "x"}}


def blue_green(count: int = 4, **more: Any) -> dict[str, Any]:
    return {"stepWeights": GONE, "iterations": count, **more}


# name: (analysis, spec, strategy, weights, intervals to the promotion, what is said of it)
WALKS: dict[str, tuple[dict[str, Any], dict[str, Any], str, tuple[int, ...], int | None, str]] = {
    "steps": ({}, {}, "canary", (5, 25, 50), 3, ""),
    "equal steps": (
        {"stepWeights": GONE, "stepWeight": 20},
        {},
        "canary",
        (20, 40, 60, 80, 100),
        5,
        "the walk is 20 40 60 80 100 %",
    ),
    "to a most": (
        {"stepWeights": GONE, "stepWeight": 5, "maxWeight": 10},
        {},
        "canary",
        (5, 10),
        2,
        "the walk is 5 10 %",
    ),
    "beyond the most": (
        {"stepWeights": GONE, "stepWeight": 20, "maxWeight": 50},
        {},
        "canary",
        (20, 40, 60),
        3,
        "overshoots maxWeight 50",
    ),
    "a step of 0": ({"stepWeights": GONE, "stepWeight": 0}, {}, "canary", (0,), None, "stays at 0 % for ever"),
    "steps from 0": (
        {"stepWeights": [0, 10]},
        {},
        "canary",
        (0,),
        None,
        "stepWeights begin with 0: the canary stays at 0 % for ever",
    ),
    "a step twice": ({"stepWeights": [5, 25, 25, 50]}, {}, "canary", (5, 25), None, "the walk stalls at 25 %"),
    "a step back": ({"stepWeights": [50, 25]}, {}, "canary", (50,), None, "the walk stalls at 50 %"),
    "a most beside steps": ({"maxWeight": 50}, {}, "canary", (5, 25, 50), 3, "maxWeight is ignored beside stepWeights"),
    "nothing of it": (
        {"stepWeights": GONE},
        {},
        "canary",
        (),
        None,
        "neither stepWeight nor stepWeights nor iterations",
    ),
    "step and steps": (
        {"stepWeight": 10},
        {},
        "canary",
        tuple(range(10, 101, 10)),
        10,
        "stepWeight and stepWeights together are refused",
    ),
    "iterations and a step": (
        blue_green(stepWeight=10),
        {},
        "blue/green",
        (),
        5,
        "iterations and stepWeight together are refused",
    ),
    "blue/green": (
        blue_green(),
        {},
        "blue/green",
        (),
        5,
        "users stay on the primary for 4 checks, then all of them get the canary",
    ),
    "blue/green, mirrored": (blue_green(mirror=True), {}, "blue/green", (), 5, "a copy of all the users' requests"),
    "blue/green, a part mirrored": (
        blue_green(mirror=True, mirrorWeight=20),
        {},
        "blue/green",
        (),
        5,
        "a copy of 20 % of the users' requests",
    ),
    "a part is mirrored by Istio only": (
        blue_green(mirror=True, mirrorWeight=20),
        GATEWAY,
        "blue/green",
        (),
        5,
        "a copy of all the",
    ),
    "blue/green, not mirrored": (blue_green(mirror=True), NGINX, "blue/green", (), 5, "provider nginx mirrors nothing"),
    "kubernetes": (blue_green(), {"provider": "kubernetes"}, "blue/green", (), 5, "5 checks of a canary without users"),
    "kubernetes with steps": (
        {},
        {"provider": "kubernetes"},
        "blue/green",
        (),
        11,
        "ignores the weights and sets iterations: 10",
    ),
    "kubernetes with match": (
        blue_green(match=MATCH),
        {"provider": "kubernetes"},
        "blue/green",
        (),
        5,
        "ignores match: A/B testing is not",
    ),
    "kubernetes, mirrored": (
        blue_green(mirror=True),
        {"provider": "kubernetes"},
        "blue/green",
        (),
        5,
        "provider kubernetes mirrors nothing",
    ),
    "A/B": (blue_green(match=MATCH), {}, "A/B", (), 4, "whoever matches gets the canary at once, for 4 checks"),
    "A/B of nginx": (blue_green(match=MATCH), NGINX, "A/B", (), 4, "whoever matches gets the canary at once"),
    "A/B that nobody does": (
        blue_green(match=MATCH),
        {"provider": "traefik"},
        "A/B",
        (100,),
        4,
        "every user gets the canary at once",
    ),
    "A/B on Knative": (
        blue_green(match=MATCH),
        {"provider": "knative", "targetRef": KNATIVE},
        "A/B",
        (100,),
        4,
        "every user gets the canary at once",
    ),
    "steps of those who match": (
        {"match": MATCH},
        {},
        "canary",
        (5, 25, 50),
        3,
        "only those who match are in the weights",
    ),
    "steps, match ignored": (
        {"match": MATCH},
        {"provider": "traefik"},
        "canary",
        (5, 25, 50),
        3,
        "the weights are of all users",
    ),
    "steps after a mirror": (
        {"mirror": True},
        {},
        "canary",
        (5, 25, 50),
        4,
        "before its first step the canary gets a copy",
    ),
    "a mirror that never ends": ({"mirror": True}, GATEWAY, "canary", (0,), None, "Flagger stays at 0 % for ever"),
    "the same of nginx": ({"mirror": True}, NGINX, "canary", (0,), None, "Flagger stays at 0 % for ever"),
    "no mirror": ({"mirror": False}, GATEWAY, "canary", (5, 25, 50), 3, ""),
    "sticky": (
        {"sessionAffinity": {"cookieName": "c"}},
        {},
        "canary",
        (5, 25, 50),
        3,
        "whoever got the canary once stays with it",
    ),
    "sticky where it is not": (
        {"sessionAffinity": {"cookieName": "c"}},
        {"provider": "traefik"},
        "canary",
        (5, 25, 50),
        3,
        "ignores sessionAffinity",
    ),
    "sticky without a name": (
        {"sessionAffinity": {"maxAge": 5}},
        {},
        "canary",
        (5, 25, 50),
        3,
        "sessionAffinity without cookieName",
    ),
    "one cookie for both": (
        {"sessionAffinity": {"cookieName": "c", "primaryCookieName": "c"}},
        {},
        "canary",
        (5, 25, 50),
        3,
        "cookieName and primaryCookieName are the same",
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_canary_goes_its_way(name: str) -> None:
    analysis, spec, strategy, weights, ticks, message = WALKS[name]
    manifest = read(analysis, spec)
    assert (manifest.strategy, manifest.weights, manifest.ticks) == (strategy, weights, ticks)
    told = [text for _, text in new(manifest)]
    assert not message or len([text for text in told if message in text]) == 1, told


@pytest.mark.parametrize(
    ("analysis", "spec", "why"),
    [
        (blue_green(), {}, "users stay on the primary"),
        (blue_green(), {"provider": "kubernetes"}, "users stay on the primary"),
        (blue_green(match=MATCH), {}, "how many users match"),
        ({"match": MATCH}, {}, "how many users match"),
        ({"mirror": True}, {}, "mirrored requests"),
        ({"stepWeights": [50, 50, 0], "mirror": True}, GATEWAY, "no ladder"),
    ],
)  # fmt: skip
def test_what_the_manifest_does_not_say_is_not_simulated(
    analysis: dict[str, Any], spec: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        read(analysis, spec).policy()


def test_a_blue_green_canary_gets_requests_from_a_load_test_or_a_mirror_or_none() -> None:
    quiet = blue_green(webhooks=[])
    assert any("each canary is rolled back" in text for text in said(read(quiet), "warning"))
    assert said(read(blue_green()), "warning") == []
    assert said(read({**quiet, "mirror": True}), "warning") == []
    before = [{"name": "acceptance", "type": "pre-rollout", "url": "http://tester/", "timeout": "30s"}]
    assert said(read({**quiet, "webhooks": before}), "warning") == []


def test_steps_that_are_no_numbers_are_bad_input() -> None:
    for analysis in ({"stepWeights": ["5%", 10]}, {"stepWeights": GONE, "stepWeight": "10"}, blue_green(True)):
        with pytest.raises(BadInput, match="whole numbers"):
            read(analysis)

"""How Flagger takes a Canary to its users: a ladder of weights, A/B (``match``) or blue/green (``iterations``).  Pure.

From fluxcd/flagger at 15bd6ad, ``pkg/controller/scheduler.go`` (``runCanary``, ``runAB``, ``runBlueGreen``, ``nextStepWeight``) and
``pkg/router``.  Time counts from the tick that takes the first step:

- **canary**: each tick after it checks, then takes the next step; from the last one it promotes.
- **A/B**: whoever matches gets the canary at once; so many checks as iterations, then it promotes.
- **blue/green**: users stay on the primary for as many checks as iterations; then all of them get the canary for one more check, and
  it promotes.  With the provider ``kubernetes`` no route moves at all: users get the new version when the primary is replaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from dawsos.errors import BadInput
from dawsos.importers.flagger_values import ManifestFinding, Place, listed, mapping, whole

Strategy = Literal["canary", "A/B", "blue/green"]
_MOST_STEPS = 1000
# Iterations that Flagger sets where the provider kubernetes has none.
_KUBERNETES_ITERATIONS = 10
_ISTIO = ("istio",)
_GATEWAY_API = ("gatewayapi:v1", "gatewayapi:v1beta1")
# Routers that read `match`, and those that keep a user with a version; the others ignore both.
_MATCHING = (*_ISTIO, *_GATEWAY_API, "contour", "nginx", "gloo", "appmesh", "appmesh:v1beta2")
_STICKY = (*_ISTIO, *_GATEWAY_API)


@dataclass(frozen=True)
class Walk:
    """``weights`` are the shares of all users' requests, step by step (empty where the manifest cannot say them).

    ``ticks`` are the intervals from the first step to the promotion, None when it never comes; ``unsimulated`` says why a simulation
    of users' requests would not be what happens.
    """

    strategy: Strategy
    weights: tuple[int, ...]
    ticks: int | None
    findings: tuple[ManifestFinding, ...] = ()
    unsimulated: str = ""
    mirrored: bool = False


def walk_of(analysis: Mapping[str, Any], place: Place, provider: str) -> Walk:
    """Return how the Canary goes; raises BadInput for weights that are no whole numbers."""
    steps = listed(analysis.get("stepWeights")) or (
        [] if analysis.get("stepWeights") is None else [analysis["stepWeights"]]
    )
    numbers = [*steps, *(analysis.get(key) or 0 for key in ("stepWeight", "maxWeight", "iterations"))]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        raise BadInput(
            "stepWeights, stepWeight, maxWeight and iterations are whole numbers", fix="write stepWeights: [5, 25, 50]"
        )
    refused = [
        key for key in ("iterations", "stepWeight", "stepWeights") if key in analysis and analysis[key] is not None
    ]
    walk = _strategy(analysis, place, provider)
    if len(refused) > 1:
        text = f"{' and '.join(refused)} together are refused by the API server"
        error = ManifestFinding("error", (*place, refused[-1]), text, f"keep {refused[-1]}")
        walk = replace(walk, findings=(error, *walk.findings))
    if not refused:
        text = "neither stepWeight nor stepWeights nor iterations: the API server refuses the Canary"
        error = ManifestFinding("error", place, text, "write stepWeights: [5, 25, 50]")
        walk = replace(walk, weights=(), ticks=None, findings=(error,))
    return replace(walk, findings=(*walk.findings, *_affinity(analysis, place, provider)))


def _strategy(analysis: Mapping[str, Any], place: Place, provider: str) -> Walk:
    iterations, matched = max(0, whole(analysis.get("iterations"))), bool(listed(analysis.get("match")))
    if provider == "kubernetes":
        return _kubernetes(analysis, place, iterations, matched=matched)
    if iterations and matched:
        return _ab(place, provider, iterations)
    if iterations:
        return _blue_green(analysis, place, provider, iterations)
    walk = _ladder(analysis, place)
    if matched:
        walk = _matched(walk, place, provider)
    return _mirrored(walk, place, provider) if analysis.get("mirror") else walk


def _kubernetes(analysis: Mapping[str, Any], place: Place, iterations: int, *, matched: bool) -> Walk:
    count = iterations or _KUBERNETES_ITERATIONS
    found = [
        ManifestFinding(
            "note", place, f"provider kubernetes moves no traffic: {count + 1} checks of a canary without users; then all users "
            "get the new version when the pods of the primary are replaced", "",
        )
    ]  # fmt: skip
    if not iterations:
        text = "provider kubernetes takes no steps: Flagger ignores the weights and sets iterations: 10"
        found.append(ManifestFinding("warning", place, text, "write iterations, or another provider"))
    if matched:
        text = "provider kubernetes ignores match: A/B testing is not supported"
        found.append(ManifestFinding("warning", (*place, "match"), text, "remove it, or take another provider"))
    if analysis.get("mirror"):
        text = "provider kubernetes mirrors nothing"
        found.append(ManifestFinding("warning", (*place, "mirror"), text, "send the canary requests by a webhook"))
    return Walk("blue/green", (), count + 1, tuple(found), _UNSEEN)


_UNSEEN = "users stay on the primary while it is checked, and what the checks see is not in the manifest"


def _ab(place: Place, provider: str, iterations: int) -> Walk:
    where = (*place, "match")
    if provider not in _MATCHING:
        text = f"provider {provider} ignores match: every user gets the canary at once, for {iterations} checks"
        error = ManifestFinding("error", where, text, f"take one of {', '.join(_MATCHING)}, or stepWeights")
        return Walk("A/B", (100,), iterations, (error,))
    text = f"A/B: whoever matches gets the canary at once, for {iterations} checks; all others stay on the primary until the promotion"
    return Walk(
        "A/B",
        (),
        iterations,
        (ManifestFinding("note", where, text, ""),),
        "how many users match is not in the manifest",
    )


def _blue_green(analysis: Mapping[str, Any], place: Place, provider: str, iterations: int) -> Walk:
    text = (
        f"blue/green: users stay on the primary for {iterations} checks, then all of them get the canary for one more check, "
        "and it is promoted"
    )
    found = [ManifestFinding("note", (*place, "iterations"), text, "")]
    mirrors = bool(analysis.get("mirror"))
    if mirrors and provider not in _STICKY:
        text = f"provider {provider} mirrors nothing: mirror is ignored"
        found.append(ManifestFinding("warning", (*place, "mirror"), text, "take istio or gatewayapi:v1"))
    elif mirrors:
        share = whole(analysis.get("mirrorWeight"))
        limited = provider in _ISTIO and share > 0
        what = f"{share} % of" if limited else "all"
        text = f"mirror: the canary gets a copy of {what} the users' requests during the checks; they must do nothing twice"
        found.append(ManifestFinding("note", (*place, "mirror"), text, ""))
    return Walk("blue/green", (), iterations + 1, tuple(found), _UNSEEN, mirrors and provider in _STICKY)


def _matched(walk: Walk, place: Place, provider: str) -> Walk:
    where = (*place, "match")
    if provider in _MATCHING:
        text = "match without iterations: only those who match are in the weights, all others stay on the primary"
        found = ManifestFinding("note", where, text, "")
        return replace(
            walk, findings=(*walk.findings, found), unsimulated="how many users match is not in the manifest"
        )
    text = f"provider {provider} ignores match: the weights are of all users"
    return replace(walk, findings=(*walk.findings, ManifestFinding("warning", where, text, "remove it")))


def _mirrored(walk: Walk, place: Place, provider: str) -> Walk:
    """One more tick, in which the canary gets a copy of the requests; a router that cannot say so never gets beyond it."""
    where = (*place, "mirror")
    if provider not in _ISTIO:
        text = f"mirror with steps: provider {provider} never reports that it mirrors, so that Flagger stays at 0 % for ever"
        error = ManifestFinding("error", where, text, "remove mirror, or use iterations (istio, gatewayapi:v1)")
        return replace(walk, weights=(0,), ticks=None, findings=(*walk.findings, error))
    note = ManifestFinding(
        "note",
        where,
        "mirror: before its first step the canary gets a copy of the requests, which must do nothing twice",
        "",
    )
    return replace(
        walk, ticks=None if walk.ticks is None else walk.ticks + 1, findings=(*walk.findings, note), mirrored=True,
        unsimulated=walk.unsimulated or "the first checks see mirrored requests, whose answers no user gets",
    )  # fmt: skip


def _affinity(analysis: Mapping[str, Any], place: Place, provider: str) -> Iterator[ManifestFinding]:
    sticky = analysis.get("sessionAffinity")
    if sticky is None:
        return
    where, found = (*place, "sessionAffinity"), mapping(sticky)
    if not found.get("cookieName"):
        yield ManifestFinding(
            "error", where, "sessionAffinity without cookieName: the API server refuses the Canary", "name the cookie"
        )
    elif found.get("cookieName") == found.get("primaryCookieName"):
        text = "cookieName and primaryCookieName are the same: Flagger refuses the Canary"
        yield ManifestFinding("error", where, text, "give them two names")
    elif provider not in _STICKY:
        text = f"provider {provider} ignores sessionAffinity: a user changes between the versions"
        yield ManifestFinding("warning", where, text, f"take one of {', '.join(_STICKY)}")
    else:
        text = "sessionAffinity: whoever got the canary once stays with it, so that its share of the requests grows above the weights"
        yield ManifestFinding("note", where, text, "")


def _ladder(analysis: Mapping[str, Any], place: Place) -> Walk:
    steps = tuple(listed(analysis.get("stepWeights")))
    step, most = whole(analysis.get("stepWeight")), whole(analysis.get("maxWeight"))
    # In the code stepWeight wins; the API server refuses both.
    if steps and step <= 0:
        return _explicit(steps, analysis, place)
    # Nothing, 0 and less mean the whole traffic.
    return _linear(step, most if most > 0 else 100, place)


def _explicit(steps: tuple[int, ...], analysis: Mapping[str, Any], place: Place) -> Walk:
    where, findings = (*place, "stepWeights"), []
    if "maxWeight" in analysis:
        findings.append(
            ManifestFinding("note", (*place, "maxWeight"), "maxWeight is ignored beside stepWeights", "remove it")
        )
    if steps[0] <= 0:
        text = f"stepWeights begin with {steps[0]}: the canary stays at 0 % for ever"
        return Walk("canary", (0,), None, (*findings, ManifestFinding("error", where, text, "begin with 5 or so")))
    for before, after in pairwise(steps):
        if after <= before:
            text = f"the walk stalls at {before} %: stepWeights must increase, {after} does not"
            findings.append(ManifestFinding("error", where, text, "sort the weights, each once"))
            return Walk("canary", steps[: steps.index(before) + 1], None, tuple(findings))
    return Walk("canary", steps, len(steps), tuple(findings))


def _linear(step: int, most: int, place: Place) -> Walk:
    where = (*place, "stepWeight")
    if step <= 0:
        text = f"stepWeight {step}: the canary stays at 0 % for ever"
        return Walk("canary", (0,), None, (ManifestFinding("error", where, text, "write 10 or so"),))
    count = min(_MOST_STEPS, math.ceil(most / step))
    weights = tuple(min(100, step * index) for index in range(1, count + 1))
    walk = " ".join(map(str, weights[:12])) + (" ..." if count > 12 else "")
    text = f"the walk is {walk} %: it begins with {step} % of the users and every step lasts one interval"
    level: Literal["warning", "note"] = "warning" if step > 5 else "note"
    findings = [ManifestFinding(level, where, text, "for 5 25 45 ... write stepWeights: [5, 25, 45, ...]")]
    if weights[-1] > most:
        text = f"it overshoots maxWeight {most}: {weights[-1]} %"
        findings.append(ManifestFinding("warning", (*place, "maxWeight"), text, "use a multiple"))
    return Walk("canary", weights, len(weights), tuple(findings))

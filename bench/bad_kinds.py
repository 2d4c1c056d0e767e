"""The releases of `bench/bad_releases.py`: what each does, in which language, and what a person would have declared for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Kind:
    """``release`` is the name in the sources.  ``declared``: the answers to the declared requests show the fault.  ``policy`` is what
    its commit changes in `rollout`, ``stable`` the release beside which it is rolled out, ``statuses`` what users may get as well."""

    release: str
    bad: bool = True
    declared: bool = False
    language: Literal["python", "go"] = "python"
    policy: dict[str, Any] = field(default_factory=dict)
    stable: str = "good"
    statuses: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return self.release if self.language == "python" else f"{self.release} (Go)"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def _shown(name: str, language: Literal["python", "go"] = "python") -> Kind:
    return Kind(name, declared=True, language=language)


def _fine(name: str, **more: Any) -> Kind:
    return Kind(name, bad=False, **more)


KINDS = (
    _shown("every page 404"),
    _shown("empty 200"),
    _shown("redirect to login"),
    _shown("wrong content type"),
    _shown("a field is missing"),
    _shown("prices are text"),
    _shown("lists are empty"),
    _shown("all is well, with an error inside"),
    _shown("never ready"),
    _shown("a field is missing", "go"),
    Kind("5 % 500"),
    Kind("5 % closed"),
    Kind("2 % hang 30 s"),
    Kind("2 MB a request"),
    Kind("exits after 40 s"),
    Kind("latency leaks 2 ms a request"),
    Kind("late errors"),
    Kind("one user of 20"),
    Kind("errors on one undeclared page"),
    Kind("403 for some"),
    Kind("redirect loop on some items"),
    Kind("5 % cut short"),
    Kind("3 % truncated chunks"),
    Kind("3 % say an error with 200"),
    Kind("p99 doubled"),
    Kind("all twice as slow"),
    Kind("429 above 3 a second"),
    Kind("8 % 503 with Retry-After"),
    Kind("the listener closes after 60 requests"),
    Kind("dies of one item"),
    Kind("deadlock after 150 requests"),
    Kind("processor time grows"),
    Kind("open files leak"),
    Kind("writes fail"),
    Kind("wrong version"),
    Kind("5 % 500", language="go"),
    Kind("2 % hang 30 s", language="go"),
    Kind("2 MB a request", language="go"),
    Kind("dies of one item", language="go"),
    Kind("5 % closed", language="go"),
    _fine("no change"),
    _fine("a new field"),
    _fine("5 % slower"),
    _fine("larger answers"),
    _fine("a new 422, declared", policy={"expect": {"4xx": "more"}}, statuses=(422,)),
    _fine("cold start of 30 s"),
    _fine("memory that reaches a plateau"),
    _fine("headers in another order"),
    _fine("more log lines"),
    _fine("another server header"),
    _fine("gzip"),
    _fine("one pause of 400 ms"),
    _fine("fewer errors than stable", stable="1 % errors", statuses=(500,)),
    _fine("no change", language="go"),
    _fine("a new field", language="go"),
)

# The objectives, and `rollout` of pipeline.yaml where it is not the tool's default; nothing is declared for the sake of one release.
DECLARED = ("/items", "/items/7", "/cart?user=7", "/search?q=tea")
POLICY: dict[str, Any] = {
    "error_rate": "0.5%", "p95": "1.2s", "tick": "1s", "check_interval": "60s", "failed_checks": 5, "min_requests": 20,
    "no_data_deadline": "2m", "crash_loop": {"restarts": 3, "window": "5m"},
    "load": {"rate": 200, "requests": [{"path": path} for path in DECLARED]},
}  # fmt: skip
# Weights with their seconds.  A bad release has five minutes on the first step, as in pipeline.yaml; a harmless one is through in a
# minute.  The first step is given on the command line: 5 % of 200 requests a second are as many of the canary's as 15 % of 67.
LADDERS = {
    "bad": ((0, 300), (25, 40), (45, 20), (65, 20), (85, 20), (100, 20)),
    "harmless": ((0, 30), (25, 10), (65, 10), (100, 5)),
}


def ladder(name: str, first: int) -> list[dict[str, Any]]:
    return [{"weight": weight or first, "duration": seconds} for weight, seconds in LADDERS[name]]

"""Scenarios of a rollout, as error rates and latencies of both versions over time.

``aa`` is two equal versions.  The names and numbers are those of the study in docs/judge.md, so that its table can be repeated.
Disturbances that hit both versions draw their times from the scenario's own random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dawsos.errors import BadInput
from dawsos.model.units import parse_duration, parse_share

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """The traffic: ``rate`` requests a second in all; errors, latency (lognormal, seconds), refusals (4xx), redirections (3xx) and
    small bodies of a healthy version; ``age`` is how old the canary is when its traffic begins."""

    rate: float = 200.0
    errors: float = 0.001
    p50: float = 0.2
    p95: float = 0.6
    slow: float = 1.2
    refused: float = 0.01
    redirected: float = 0.005
    small: float = 0.002
    age: Any = 0.0


@dataclass
class Rates:
    """One second: shares of errors, factors on latency, share of the canary's requests that get stuck for 5 s,
    (``clustered``) whether errors come in users instead of single requests, and (``failure``) whether a failure counter of the
    canary has risen.

    ``refused``, ``redirected`` and ``small`` are the canary's shares where they are not the usual ones; ``hang`` are the shares of
    the canary's and of stable's requests that hang for half a minute."""

    errors_canary: Any
    errors_stable: Any
    stretch_canary: Any = 1.0
    stretch_stable: Any = 1.0
    stuck: float = 0.0
    clustered: bool = False
    failure: bool = False
    refused: float | None = None
    redirected: float | None = None
    small: float | None = None
    hang: tuple[float, float] | None = None


# A cold start: so long, and so many times as slow.
COLD_SECONDS, COLD_FACTOR = 30.0, 2.5

Course = Callable[[float], Rates]
Begin = Callable[[World, int, np.random.Generator], Course]


@dataclass(frozen=True)
class Scenario:
    """``bad`` says whether a rollback is what one wants; ``onset`` is when the fault begins."""

    name: str
    begin: Begin
    bad: bool
    onset: float = 0.0


def parse_scenario(text: str) -> Scenario:
    """Return the scenario that ``text`` names: see ``SCENARIOS`` and ``_WITH_VALUE``.  Raises BadInput."""
    name, separator, value = text.partition("=")
    try:
        if separator and name in _WITH_VALUE:
            return _WITH_VALUE[name](text, value)
    except ValueError as error:
        raise BadInput(f"scenario {text!r}: {error}", fix="for example errors=5%, latency=2s, slow=3%") from error
    if text in SCENARIOS:
        return SCENARIOS[text]
    known = ", ".join([*SCENARIOS, *(f"{name}=..." for name in _WITH_VALUE)])
    raise BadInput(f"unknown scenario {text!r}; there are: {known}", fix="see docs/judge.md")


def _constant(change: Callable[[World], Rates]) -> Begin:
    return lambda world, _columns, _random: lambda _at: change(world)


def _errors(text: str, value: str) -> Scenario:
    share = parse_share(value)
    return Scenario(text, _constant(lambda world: Rates(share, world.errors)), True)


def _latency(text: str, value: str) -> Scenario:
    seconds = parse_duration(value)
    course = _constant(lambda world: Rates(world.errors, world.errors, stretch_canary=seconds / world.p95))
    return Scenario(text, course, seconds > 0.75)


def _slow(text: str, value: str) -> Scenario:
    share = parse_share(value)
    return Scenario(text, _constant(lambda world: Rates(world.errors, world.errors, stuck=share)), True)


def _answers(kind: str) -> Callable[[str, str], Scenario]:
    """Return the maker of scenarios in which the canary answers more often in this way than a healthy version does."""

    def make(text: str, value: str) -> Scenario:
        share = parse_share(value)
        return Scenario(text, _constant(lambda world: _with(world, kind, share)), True)

    return make


def _with(world: World, kind: str, share: float) -> Rates:
    rates = Rates(world.errors, world.errors)
    setattr(rates, kind, share)
    return rates


def _hang(text: str, value: str) -> Scenario:
    share = parse_share(value)
    return Scenario(text, _constant(lambda world: Rates(world.errors, world.errors, hang=(share, 0.0))), True)


def _hang_both(text: str, value: str) -> Scenario:
    share = parse_share(value)
    return Scenario(text, _constant(lambda world: Rates(world.errors, world.errors, hang=(share, share))), False)


def _late(text: str, value: str) -> Scenario:
    share, onset = parse_share(value), 1000.0

    def begin(world: World, _columns: int, _random: np.random.Generator) -> Course:
        return lambda at: Rates(share if at >= onset else world.errors, world.errors)

    return Scenario(text, begin, True, onset)


def _both(text: str, value: str) -> Scenario:
    share = parse_share(value)
    return Scenario(text, _constant(lambda _world: Rates(share, share)), False)


def _leak(world: World, _columns: int, _random: np.random.Generator) -> Course:
    """Errors that grow from the usual share to 10 % within 20 minutes."""
    return lambda at: Rates(world.errors + (0.1 - world.errors) * min(1.0, at / 1200.0), world.errors)


def _burst(share: float, stretch: float, every: float) -> Begin:
    """Bursts of 10 s that hit both versions, at random times."""

    def begin(world: World, columns: int, random: np.random.Generator) -> Course:
        until = np.full(columns, -1.0)

        def course(at: float) -> Rates:
            starts = (random.random(columns) < 1.0 / every) & (until < at)
            until[starts] = at + 10.0
            on = until > at
            errors = np.where(on, share, world.errors)
            factor = np.where(on, stretch, 1.0)
            return Rates(errors, errors, factor, factor)

        return course

    return begin


def _outage(canary: float, stable: float) -> Begin:
    """Five minutes during which both versions fail, at a random time of the first half hour."""

    def begin(world: World, columns: int, random: np.random.Generator) -> Course:
        start = random.uniform(60.0, 1500.0, columns)

        def course(at: float) -> Rates:
            on = (at >= start) & (at < start + 300.0)
            return Rates(np.where(on, canary, world.errors), np.where(on, stable, world.errors))

        return course

    return begin


def _noise(world: World, columns: int, random: np.random.Generator) -> Course:
    """The common error rate times a lognormal AR(1): sigma 1.5, correlation time 30 s."""
    keep = float(np.exp(-1.0 / 30.0))
    state = random.normal(0.0, 1.5, columns)

    def course(_at: float) -> Rates:
        state[:] = keep * state + random.normal(0.0, 1.5 * (1.0 - keep**2) ** 0.5, columns)
        errors = np.minimum(0.9, world.errors * np.exp(state))
        return Rates(errors, errors)

    return course


def _blip(world: World, columns: int, random: np.random.Generator) -> Course:
    """Ten seconds at 30 % errors of the canary alone, at a random time."""
    start = random.uniform(60.0, 1500.0, columns)
    return lambda at: Rates(np.where((at >= start) & (at < start + 10.0), 0.3, world.errors), world.errors)


def _cold(world: World, columns: int, _random: np.random.Generator) -> Course:
    def course(at: float) -> Rates:
        cold = np.broadcast_to(at + world.age < COLD_SECONDS, (columns,))
        return Rates(np.where(cold, 0.05, world.errors), world.errors, stretch_canary=np.where(cold, COLD_FACTOR, 1.0))

    return course


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("aa", _constant(lambda world: Rates(world.errors, world.errors)), False),
        Scenario("down", _constant(lambda world: Rates(1.0, world.errors)), True),
        Scenario("failure", _constant(lambda world: Rates(world.errors, world.errors, failure=True)), True),
        Scenario("burst", _burst(0.3, 3.0, 300.0), False),
        Scenario("burst-mild", _burst(0.1, 1.0, 600.0), False),
        Scenario("noise", _noise, False),
        Scenario("outage-both", _outage(0.2, 0.2), False),
        Scenario("outage-uneven", _outage(0.26, 0.2), False),
        Scenario("blip", _blip, False),
        Scenario("leak", _leak, True),
        Scenario("cold-start", _cold, False),
        Scenario("sticky", _constant(lambda world: Rates(world.errors, world.errors, clustered=True)), False),
    )
}
_WITH_VALUE: dict[str, Callable[[str, str], Scenario]] = {
    "errors": _errors,
    "latency": _latency,
    "slow": _slow,
    "hang": _hang,
    "hang-both": _hang_both,
    "4xx": _answers("refused"),
    "3xx": _answers("redirected"),
    "empty": _answers("small"),
    "late": _late,
    "both": _both,
}

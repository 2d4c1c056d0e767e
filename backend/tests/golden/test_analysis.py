"""Approved results of the analysis; `python -m tests.golden.regenerate --sources DIR` makes them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from app.core import brinson
from app.core.attribution import Holding, attribute_portfolio
from app.core.money import plain
from app.core.performance import DatedPeriod, measure
from app.core.ratings import METHOD, Score, rate
from app.core.regime import METHOD as REGIME_METHOD
from app.core.regime import classify, readings
from app.core.regression import Moments, fit
from app.core.scenario import drawdown_at_risk
from app.core.series import quarter_name, shift
from app.core.twr import Period
from app.services.packs import load_market_data
from app.services.reference import PACKAGED, load_reference
from app.settings import PACKAGED_MARKET_DATA
from app.storage.ecb import EcbHistory

Golden = Callable[[str, object], None]
D = Decimal
INPUTS = Path(__file__).parent / "inputs"
REFERENCE = load_reference()


def header(*files: Path) -> list[dict[str, Any]]:
    """Each input with its digest and the published files it was made from."""
    found = []
    for file in files:
        data = file.read_bytes()
        document = json.loads(data)
        found.append(
            {
                "file": file.name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "label": document["label"],
                "sources": document.get("sources", []),
            }
        )
    return found


def moments(window: dict[str, Any]) -> Moments:
    return Moments(
        ("SP500", "UST7Y"),
        window["count"],
        tuple(Fraction(v) for v in window["sums"]),
        tuple(tuple(Fraction(v) for v in row) for row in window["products"]),
    )


def test_sixty_forty_against_stocks_and_bonds(golden: Golden) -> None:
    file = INPUTS / "sixty_forty.json"
    document: dict[str, Any] = {"inputs": header(file), "windows": {}}
    for name, window in json.loads(file.read_text())["windows"].items():
        found = fit(moments(window))
        document["windows"][name] = {
            "first": window["first"],
            "last": window["last"],
            "observations": found.observations,
            "alpha": plain(found.alpha),
            "betas": {factor: plain(beta) for factor, beta in found.betas.items()},
            "r_squared": plain(found.r_squared),
            "variance_share": {factor: plain(share) for factor, share in found.variance_share.items()},
            "residual": plain(found.residual),
            "total_return": window["total_return"],
            "max_drawdown": window["max_drawdown"],
        }
    golden("sixty_forty", document)


def test_sixty_forty_is_close_to_what_was_found_independently() -> None:
    """The facts page has .5842/.4002, R2 .9978, -24.66 % and .5388/.3981, -36.46 % for the two crises, by a program
    whose bond formula, window and rebalancing day it does not record. With ours (exact repricing, whole quarters) the
    loadings agree within .011 and the first drawdown within a tenth of a point; the second is 2.9 points smaller,
    which no combination of six bond formulas and five rebalancing rules tried could close.
    """
    windows = json.loads((INPUTS / "sixty_forty.json").read_text())["windows"]
    dotcom, crisis = fit(moments(windows["dotcom"])), fit(moments(windows["financial_crisis"]))
    assert abs(dotcom.betas["SP500"] - D(".5842")) < D(".0005")
    assert abs(dotcom.betas["UST7Y"] - D(".4002")) < D(".005")
    assert abs(dotcom.r_squared - D(".9978")) < D(".0002")
    assert abs(D(windows["dotcom"]["max_drawdown"]) - D("-.2466")) < D(".0011")
    assert abs(crisis.betas["SP500"] - D(".5388")) < D(".011")
    assert abs(crisis.betas["UST7Y"] - D(".3981")) < D(".007")
    assert abs(D(windows["financial_crisis"]["max_drawdown"]) - D("-.3646")) < D(".03")


def _effects(found: brinson.Attribution) -> dict[str, Any]:
    return {
        "portfolio": plain(found.portfolio),
        "benchmark": plain(found.benchmark),
        "active": plain(found.active),
        "effects": [
            {
                "name": e.name,
                "allocation": plain(e.allocation),
                "selection": plain(e.selection),
                "interaction": plain(e.interaction),
            }
            for e in found.effects
        ],
    }


def brinson_periods() -> dict[str, brinson.Attribution]:
    rows = json.loads((INPUTS / "brinson.json").read_text())["periods"]
    fields = ("portfolio_weight", "benchmark_weight", "portfolio_return", "benchmark_return")
    return {
        str(row["year"]): brinson.attribute(
            [brinson.Segment(s["name"], *(D(s[field]) for field in fields)) for s in row["segments"]]
        )
        for row in rows
    }


def test_brinson_of_a_drifting_sixty_forty(golden: Golden) -> None:
    years = brinson_periods()
    for one in (*years.values(), linked := brinson.link(list(years.values()))):
        assert sum((e.total for e in one.effects), D(0)) == one.active == one.portfolio - one.benchmark
    document = {
        "inputs": header(INPUTS / "brinson.json"),
        "years": {year: _effects(found) for year, found in years.items()},
        "linked": _effects(linked),
    }
    golden("brinson", document)


def test_the_benchmark_years_are_the_published_ones() -> None:
    """S&P 500 price change: 2007 +3.53 %, 2008 -38.49 %, 2009 +23.45 %."""
    rows = json.loads((INPUTS / "brinson.json").read_text())["periods"]
    found = [round(100 * D(row["segments"][0]["benchmark_return"]), 2) for row in rows]
    assert found == [D("3.53"), D("-38.49"), D("23.45")]


CRISES = {"dotcom": (1999, 2002), "financial_crisis": (2007, 2010), "pandemic": (2019, 2021)}


def test_regimes_of_three_crises(golden: Golden) -> None:
    series = REFERENCE.macro.series
    document: dict[str, Any] = {"inputs": header(PACKAGED / "macro.json"), "method": REGIME_METHOD, "crises": {}}
    for name, (first, last) in CRISES.items():
        lines = {}
        for at in range(4 * (last - first + 1)):
            quarter = shift(date(first, 1, 1), 3 * at)
            seen = readings(series, quarter)
            regime = classify(seen)
            lines[quarter_name(quarter)] = {
                "regime": regime.label,
                "confidence": plain(regime.confidence),
                "gdp_yoy": plain(seen.gdp_yoy),
                "gdp_saar": plain(seen.gdp_saar),
                "unemployment": plain(seen.unemployment),
                "sahm": plain(seen.sahm),
                "curve": plain(seen.curve),
                "production": plain(seen.production),
            }
        document["crises"][name] = lines
    golden("regimes", document)


def test_the_named_quarters_and_published_figures() -> None:
    """The acceptance criteria: 2000Q1 late; 2008Q4 and 2020Q2 deep with at least .90. Spot values as published."""
    series = REFERENCE.macro.series
    expected = {
        date(2000, 1, 1): ("late_expansion", "0.85"),
        date(2008, 10, 1): ("deep_contraction", "0.95"),
        date(2020, 4, 1): ("deep_contraction", "0.95"),
    }
    for quarter, (label, confidence) in expected.items():
        found = classify(readings(series, quarter))
        assert (found.label, found.confidence) == (label, D(confidence))
    assert series["UNRATE"].at(date(2020, 4, 1)) == D("14.7")
    assert series["UNRATE"].at(date(2009, 10, 1)) == D("10")
    assert series["GDPC1"].at(date(2020, 4, 1)) == D("17378.7")


def _score(score: Score) -> dict[str, Any]:
    return {
        "score": plain(score.score),
        "components": {
            name: {"value": None if c.value is None else plain(c.value), "score": plain(c.score)}
            for name, c in score.components.items()
        },
    }


def test_ratings_of_three_companies(golden: Golden) -> None:
    document: dict[str, Any] = {"inputs": header(PACKAGED / "fundamentals.json"), "method": METHOD, "companies": {}}
    for symbol in ("JNJ", "KO", "WMT"):
        company = REFERENCE.fundamentals[symbol].company
        assert company is not None
        found = rate(company)
        document["companies"][symbol] = {
            "fiscal_year": found.fiscal_year,
            "overall": plain(found.overall),
            "dividend_safety": _score(found.dividend_safety),
            "moat": _score(found.moat),
            "resilience": _score(found.resilience),
        }
    golden("ratings", document)


def test_moats_are_those_of_the_method_worked_by_hand() -> None:
    """Johnson & Johnson 9.5 and Coca-Cola 8.25 by the documented tables; Walmart lowest, by its gross margin."""
    moats = {s: rate(f.company).moat.score for s, f in REFERENCE.fundamentals.items() if f.company is not None}
    assert moats == {"JNJ": D("9.5"), "KO": D("8.25"), "WMT": D("5.25")}


def test_drawdowns_at_risk(golden: Golden) -> None:
    mixes = {
        "equity": {"equity": D(1)},
        "sixty_forty": {"equity": D("0.6"), "bonds": D("0.4")},
        "seventy_thirty": {"equity": D("0.7"), "bonds": D("0.3")},
    }
    document: dict[str, Any] = {"inputs": header(PACKAGED / "episodes.json"), "seed": "golden", "scenarios": {}}
    for name, episodes in REFERENCE.episodes.items():
        for mix, weights in mixes.items():
            found = drawdown_at_risk(weights, episodes, "golden")
            document["scenarios"].setdefault(name, {})[mix] = {
                "expected": plain(found.expected),
                "interval": [plain(found.low), plain(found.high)],
                "worst": plain(found.worst),
                "episodes": {episode: plain(change) for episode, change in found.by_episode},
            }
    golden("drawdown_at_risk", document)


def test_the_episodes_are_the_published_falls() -> None:
    """S&P 500: 2000-02 -49.15 %, 2007-09 -56.78 %, 2020 -33.92 %."""
    changes = {e.name: round(100 * e.changes["equity"], 2) for e in REFERENCE.episodes["recession"]}
    assert changes["2001 dot-com"] == D("-49.15")
    assert changes["2008 financial crisis"] == D("-56.78")
    assert changes["2020 pandemic"] == D("-33.92")


def test_apple_in_october_2023_seen_from_two_currencies(golden: Golden) -> None:
    """From the last close of September to the last of October; the ECB's rates of the two days."""
    market, fx = load_market_data(PACKAGED_MARKET_DATA), EcbHistory()
    start, end = date(2023, 9, 29), date(2023, 10, 31)
    closes = [{o.day: o.closes["AAPL"] for o in market.observations}[day] for day in (start, end)]
    document: dict[str, Any] = {"inputs": header(PACKAGED_MARKET_DATA), "closes": [plain(c) for c in closes]}
    for base in ("CAD", "EUR", "USD"):
        rates = fx.fixing(start).rate("USD", base), fx.fixing(end).rate("USD", base)
        held = Holding("AAPL", "USD", D(100), (closes[0], closes[1]), rates)
        whole = attribute_portfolio([held]).whole
        document[base] = {
            "rates": [plain(r) for r in rates],
            "local": plain(whole.local),
            "fx": plain(whole.fx),
            "interaction": plain(whole.interaction),
            "total": plain(whole.total),
        }
    # The facts page: CAD -0.256994, +3.165558, -0.008135, +2.900429 %; EUR fx -0.235427, base -0.491816 %.
    assert [round(100 * D(document["CAD"][k]), 6) for k in ("local", "fx", "interaction", "total")] == [
        D("-0.256994"),
        D("3.165558"),
        D("-0.008135"),
        D("2.900429"),
    ]
    assert [round(100 * D(document["EUR"][k]), 5) for k in ("fx", "total")] == [D("-0.23543"), D("-0.49182")]
    golden("aapl_2023_10", document)


def test_returns_of_the_acceptance_plan(golden: Golden) -> None:
    start, middle, end = date(2025, 1, 1), date(2025, 7, 1), date(2026, 1, 1)
    plain_year = [DatedPeriod(end, Period(D(100_000), D(0), D(110_000)))]
    with_flow = [
        DatedPeriod(middle, Period(D(100_000), D(0), D(100_000))),
        DatedPeriod(end, Period(D(100_000), D(50_000), D(165_000))),
    ]
    document = {}
    for name, periods in (("uat_017", plain_year), ("uat_018", with_flow)):
        found = measure(start, periods)
        assert found.twr == D("0.1")
        document[name] = {
            field: None if (value := getattr(found, field)) is None else plain(value)
            for field in ("twr", "annualised", "volatility", "sharpe", "mwr")
        }
    golden("returns", document)

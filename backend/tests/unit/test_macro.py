"""app.core.series, app.core.regime and app.services.macro."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from app.core.errors import AnalysisError, NotFoundError, NotReadyError
from app.core.regime import Readings, classify, readings
from app.core.series import Frequency, Series, SeriesInfo, last_ended_quarter, quarter_name, shift
from app.services.macro import MacroService, all_regimes
from tests.support.memory import REFERENCE
from tests.support.memory_analysis import MemoryAnalysis

D = Decimal
MACRO = REFERENCE.macro
CALM = Readings(D("2.5"), D(2), D("3.8"), D(0), D(0), D("0.35"), D("0.2"))


def series(frequency: Frequency = "monthly", start: date = date(2020, 1, 1), count: int = 14) -> Series:
    info = SeriesInfo("S", "A series", "Index", frequency, "test")
    return Series(info, start, tuple(D(n) for n in range(1, count + 1)))


def test_periods_and_their_ends() -> None:
    monthly, quarterly = series(), series("quarterly", count=3)
    assert monthly.last() == (date(2021, 2, 1), D(14))
    assert quarterly.last() == (date(2020, 7, 1), D(3))
    assert quarterly.index(date(2020, 5, 1)) is None
    assert monthly.index(date(2019, 12, 1)) is None
    with pytest.raises(KeyError, match="S has no value for 2022-01-01"):
        monthly.at(date(2022, 1, 1))
    assert len(monthly.until(date(2020, 2, 28)).values) == 1
    assert len(monthly.until(date(2020, 2, 29)).values) == 2
    assert len(quarterly.until(date(2020, 6, 30)).values) == 2
    assert shift(date(2020, 1, 1), -1) == date(2019, 12, 1)


def test_a_quarter_counts_from_its_last_day() -> None:
    assert last_ended_quarter(date(2008, 12, 31)) == date(2008, 10, 1)
    assert last_ended_quarter(date(2008, 12, 30)) == date(2008, 7, 1)
    assert last_ended_quarter(date(2009, 1, 1)) == date(2008, 10, 1)
    assert quarter_name(date(2008, 10, 1)) == "2008Q4"


@pytest.mark.parametrize(
    ("changes", "label", "confidence"),
    [
        # The documented case of 2024-10-20: growth 2.5, unemployment 3.8, curve +0.35, production not strong.
        ({}, "late_expansion", "0.75"),
        ({"production": "1.5"}, "mid_expansion", "0.90"),
        ({"curve": "-0.01"}, "late_expansion", "0.85"),
        ({"unemployment": "4.5"}, "early_expansion", "0.70"),
        ({"gdp_yoy": "2"}, "early_expansion", "0.70"),
        ({"gdp_saar": "-1", "gdp_yoy": "-0.1"}, "early_contraction", "0.80"),
        ({"gdp_saar": "-1", "gdp_yoy": "-0.1", "unemployment": "6.1"}, "deep_contraction", "0.95"),
        ({"gdp_saar": "-1", "unemployment_change": "0.1"}, "early_contraction", "0.80"),
        ({"gdp_saar": "-1"}, "late_expansion", "0.75"),
        ({"sahm": "0.5", "unemployment_change": "0.1", "gdp_saar": "1.9"}, "early_contraction", "0.80"),
        ({"sahm": "0.5", "unemployment_change": "0.1"}, "late_expansion", "0.75"),
        ({"sahm": "0.5", "gdp_saar": "1.9"}, "late_expansion", "0.75"),
    ],
)
def test_the_first_rule_that_holds_gives_the_label(changes: dict[str, str], label: str, confidence: str) -> None:
    found = classify(replace(CALM, **{name: D(value) for name, value in changes.items()}))
    assert (found.label, found.confidence) == (label, D(confidence))


def test_readings_of_a_published_quarter() -> None:
    """2020Q2: unemployment 13.2, 14.7 less revisions, 11.0; GDP down 31 % at an annual rate."""
    found = readings(MACRO.series, date(2020, 4, 1))
    assert round(found.unemployment, 2) == D("12.97")
    assert round(found.gdp_yoy, 2) == D("-8.35")
    assert D(-33) < found.gdp_saar < D(-29)
    assert found.sahm > 9


def test_recessions_begin_within_a_quarter_of_the_official_dates() -> None:
    """NBER peaks: 1990-07, 2001-03, 2007-12, 2020-02. The rule was chosen on the same data."""
    labels = {s.quarter: s.regime.label for s in all_regimes(MACRO.series, "d")}
    down = {quarter for quarter, label in labels.items() if label.endswith("contraction")}
    onsets = [q for q in sorted(down) if all(shift(q, -3 * back) not in down for back in range(1, 5))]
    assert [quarter_name(q) for q in onsets if q.year >= 1985] == ["1990Q4", "2001Q1", "2008Q1", "2020Q1"]


async def loaded() -> tuple[MacroService, MemoryAnalysis]:
    store = MemoryAnalysis()
    service = MacroService(store, REFERENCE)
    assert await service.load() == "10 series, 185 regimes"
    return service, store


async def test_a_data_set_is_loaded_once() -> None:
    service, store = await loaded()
    assert await service.load() == "macro data unchanged"
    assert len(store.snapshots) == 185
    found = await service.regimes(date(2008, 1, 1), date(2008, 12, 31))
    assert [s.regime.label for s in found][-1] == "deep_contraction"


async def test_indicators_have_metadata_and_age() -> None:
    service, _ = await loaded()
    gdp, prices = await service.indicators(["GDP", "CPIAUCSL", "GDP"], date(2022, 10, 31))
    assert (gdp.info.frequency, gdp.period, gdp.value, gdp.age_days, gdp.stale) == (
        "quarterly",
        date(2022, 7, 1),
        D("25663.3"),
        31,
        False,
    )
    assert prices.year_change is not None
    assert D("0.08") < prices.year_change < D("0.083")
    (old,) = await service.indicators(["UNRATE"], date(2026, 11, 25))
    assert old.stale is True
    (early,) = await service.indicators(["UNRATE"], date(1948, 6, 30))
    assert (early.value, early.year_change) == (D("3.6"), None)


async def test_an_unknown_series_is_named_with_the_known_ones() -> None:
    service, _ = await loaded()
    with pytest.raises(NotFoundError, match="no series NOPE; known are CPIAUCSL, "):
        await service.indicators(["GDP", "NOPE"], date(2022, 1, 1))
    with pytest.raises(AnalysisError, match="UNRATE has no value by 1900-01-01"):
        await service.indicators(["UNRATE"], date(1900, 1, 1))


async def test_before_the_night_loaded_it_nothing_is_known() -> None:
    service = MacroService(MemoryAnalysis(), REFERENCE)
    with pytest.raises(NotReadyError, match="still being loaded"):
        await service.indicators(["GDP"], date(2022, 1, 1))
    with pytest.raises(NotReadyError, match="still being loaded"):
        await service.regime(date(2022, 1, 1))


@pytest.mark.parametrize(
    ("asof", "quarter", "label", "confidence"),
    [
        (date(2000, 3, 31), "2000Q1", "late_expansion", "0.85"),
        (date(2008, 12, 31), "2008Q4", "deep_contraction", "0.95"),
        (date(2020, 6, 30), "2020Q2", "deep_contraction", "0.95"),
        (date(2026, 11, 25), "2022Q3", "late_expansion", "0.85"),
    ],
)
async def test_the_regime_of_a_date(asof: date, quarter: str, label: str, confidence: str) -> None:
    service, _ = await loaded()
    found = await service.regime(asof)
    assert (quarter_name(found.quarter), found.regime.label, found.regime.confidence) == (quarter, label, D(confidence))
    assert found.stale is (asof.year == 2026)


async def test_before_the_data_there_is_no_regime() -> None:
    service, _ = await loaded()
    with pytest.raises(AnalysisError, match="does not reach back to 1970-01-01"):
        await service.regime(date(1970, 1, 1))


async def test_a_scenario_has_a_name() -> None:
    service, _ = await loaded()
    with pytest.raises(NotFoundError, match="no scenario boom; known are inflation_shock, rate_hike, recession"):
        service.scenario("boom", {"equity": D(1)}, 0)
    worse = service.scenario("recession", {"equity": D(1)}, 0)
    milder = service.scenario("recession", {"equity": D("0.6"), "bonds": D("0.4")}, 0)
    assert worse.expected < milder.expected < 0
    assert worse.worst == D("-0.56775389")

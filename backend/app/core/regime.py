"""Where the economy stands in its cycle, after Dalio: three stages of expansion, two of contraction.

The documented rule calls a contraction only when real GDP is below the year before. On the data that misses the
recession of 2001 (it never was) and the first three quarters of 2008. The test used here asks for either

* GDP shrinking on the quarter while it is below the year before or unemployment rises, or
* unemployment up by half a point from its twelve-month low (Sahm) and still rising, with GDP growing under 2 % a year,

which puts the onsets of 1990, 2001, 2008 and 2020 within a quarter of the NBER's. It was chosen on the same data
(1985-2021), with values as revised later; a reader in 2008 knew less. Everything after the contraction test is as
documented. The purchasing managers' index is proprietary; the three-month change of industrial production stands in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core.money import divide, quantize
from app.core.series import Series, change, mean, quarter_mean, shift

METHOD = "dalio_v2"
NEEDED = ("GDPC1", "UNRATE", "GS10", "GS2", "INDPRO")
LABELS = ("early_expansion", "mid_expansion", "late_expansion", "early_contraction", "deep_contraction")
SAHM_TRIGGER = Decimal("0.5")
STRONG_PRODUCTION = Decimal(1)
D = Decimal


@dataclass(frozen=True, slots=True)
class Readings:
    """Of one quarter, in percent or percentage points: growth on the year, on the quarter (annual rate), unemployment
    and its change on the quarter, the Sahm indicator, 10 year minus 2 year yield, industrial production over 3 months.
    """

    gdp_yoy: Decimal
    gdp_saar: Decimal
    unemployment: Decimal
    unemployment_change: Decimal
    sahm: Decimal
    curve: Decimal
    production: Decimal


@dataclass(frozen=True, slots=True)
class Regime:
    """The label and how sure the rule is of it (0 to 1, as documented, not estimated)."""

    label: str
    confidence: Decimal


def readings(series: Mapping[str, Series], quarter: date) -> Readings:
    """Readings of a quarter by its first day; raises KeyError when a series does not reach that far back."""
    gdp, unemployment = series["GDPC1"], series["UNRATE"]
    last_month = shift(quarter, 2)
    on_quarter = divide(gdp.at(quarter), gdp.at(shift(quarter, -3)))
    jobless = quarter_mean(unemployment, quarter)
    before = quarter_mean(unemployment, shift(quarter, -3))
    curve = quarter_mean(series["GS10"], quarter) - quarter_mean(series["GS2"], quarter)
    return Readings(
        quantize(100 * change(gdp, quarter, 12)),
        quantize(100 * (on_quarter**4 - 1)),
        quantize(jobless),
        quantize(jobless - before),
        quantize(sahm(unemployment, last_month)),
        quantize(curve),
        quantize(100 * change(series["INDPRO"], last_month, 3)),
    )


def sahm(unemployment: Series, month: date) -> Decimal:
    """Three-month mean minus the lowest three-month mean of the twelve months before, in percentage points."""

    def smoothed(at: date) -> Decimal:
        return mean([unemployment.at(shift(at, -back)) for back in range(3)])

    return smoothed(month) - min(smoothed(shift(month, -back)) for back in range(1, 13))


def contracting(r: Readings) -> bool:
    """The test of the module's description."""
    rising = r.unemployment_change > 0
    shrinking = r.gdp_saar < 0 and (r.gdp_yoy < 0 or rising)
    return shrinking or (r.sahm >= SAHM_TRIGGER and rising and r.gdp_saar < 2)


def classify(r: Readings) -> Regime:
    """First rule that holds."""
    if contracting(r):
        if r.gdp_yoy < 0 and r.unemployment > 6:
            return Regime("deep_contraction", D("0.95"))
        return Regime("early_contraction", D("0.80"))
    if r.curve < 0:
        return Regime("late_expansion", D("0.85"))
    if r.unemployment < D("4.5") and r.gdp_yoy > 2:
        if r.production > STRONG_PRODUCTION:
            return Regime("mid_expansion", D("0.90"))
        return Regime("late_expansion", D("0.75"))
    return Regime("early_expansion", D("0.70"))

"""Shapes of exposures, indicators, regimes and scenarios. Fractions travel as strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from app.api.analysis_schemas import RegressionOut, TiltOut, Weight
from app.api.schemas import Number, Request
from app.core.regime import METHOD as REGIME_METHOD
from app.core.regime import Readings
from app.core.scenario import DrawdownAtRisk
from app.core.series import quarter_name
from app.services.analysis_ports import RegimeSnapshot
from app.services.macro import Indicator, RegimeAnswer


class ExposureOut(BaseModel):
    """Style tilts of a portfolio, and what explained its daily returns: `market` and `dollar` of its own packs."""

    portfolio_id: UUID
    pricing_pack_id: str
    ledger_commit_hash: str | None
    growth: TiltOut
    value: TiltOut
    momentum: TiltOut
    quality: TiltOut
    regression: RegressionOut | None
    why_no_regression: str | None


class IndicatorOut(BaseModel):
    """The newest value of a series. `stale`: its period ended more than half a year ago."""

    series: str
    title: str
    units: str
    frequency: Literal["monthly", "quarterly"]
    period: date
    value: Number
    year_change: Number | None
    age_days: int
    stale: bool
    source: str

    @classmethod
    def of(cls, i: Indicator) -> IndicatorOut:
        """From the domain."""
        return cls(
            series=i.info.id,
            title=i.info.title,
            units=i.info.units,
            frequency=i.info.frequency,
            period=i.period,
            value=i.value,
            year_change=i.year_change,
            age_days=i.age_days,
            stale=i.stale,
            source=i.info.origin,
        )


class ReadingsOut(BaseModel):
    """Percent and percentage points."""

    gdp_yoy: Number
    gdp_saar: Number
    unemployment: Number
    unemployment_change: Number
    sahm: Number
    curve: Number
    production: Number

    @classmethod
    def of(cls, r: Readings) -> ReadingsOut:
        """From the domain."""
        return cls(
            gdp_yoy=r.gdp_yoy,
            gdp_saar=r.gdp_saar,
            unemployment=r.unemployment,
            unemployment_change=r.unemployment_change,
            sahm=r.sahm,
            curve=r.curve,
            production=r.production,
        )


class RegimeOut(BaseModel):
    """The regime of the last quarter known by the date, from data as revised later."""

    date: date
    quarter: str
    regime: str
    confidence: Number
    readings: ReadingsOut
    age_days: int
    stale: bool
    method: str = REGIME_METHOD

    @classmethod
    def of(cls, a: RegimeAnswer) -> RegimeOut:
        """From the domain."""
        return cls(
            date=a.asof,
            quarter=quarter_name(a.quarter),
            regime=a.regime.label,
            confidence=a.regime.confidence,
            readings=ReadingsOut.of(a.readings),
            age_days=a.age_days,
            stale=a.stale,
        )


class QuarterRegimeOut(BaseModel):
    """One stored regime."""

    quarter: str
    regime: str
    confidence: Number
    method: str

    @classmethod
    def of(cls, s: RegimeSnapshot) -> QuarterRegimeOut:
        """From the store."""
        return cls(
            quarter=quarter_name(s.quarter),
            regime=s.regime.label,
            confidence=s.regime.confidence,
            method=s.method,
        )


class NewScenario(Request):
    """POST /v1/macro/scenarios/{name}: a portfolio of yours, or weights by asset class that add to at most 1."""

    portfolio_id: UUID | None = None
    weights: Annotated[dict[Literal["equity", "bonds", "cash"], Weight], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.portfolio_id is None) == (self.weights is None):
            raise ValueError("give either portfolio_id or weights")
        if self.weights is not None and sum(self.weights.values()) > 1:
            raise ValueError("the weights add to more than 1")
        return self


class EpisodeOut(BaseModel):
    """What one episode would have done."""

    name: str
    change: Number


class ScenarioOut(BaseModel):
    """Changes are fractions, losses negative: the mean over the episodes, its 90 % interval, the worst of them."""

    scenario: str
    seed: int
    weights: dict[str, Number]
    drawdown_at_risk: Number
    interval: tuple[Number, Number]
    worst: Number
    episodes: list[EpisodeOut]
    value: Number | None = None
    loss: Number | None = None
    base_currency: str | None = None

    @classmethod
    def of(cls, name: str, seed: int, weights: Mapping[str, Decimal], found: DrawdownAtRisk) -> ScenarioOut:
        """From the domain."""
        return cls(
            scenario=name,
            seed=seed,
            weights=dict(weights),
            drawdown_at_risk=found.expected,
            interval=(found.low, found.high),
            worst=found.worst,
            episodes=[EpisodeOut(name=e, change=c) for e, c in found.by_episode],
        )

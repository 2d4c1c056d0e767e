"""Shapes of returns, attributions, exposures, indicators and scenarios. Fractions travel as strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from app.api.schemas import BookingDate, Number, Request
from app.core import brinson
from app.core.attribution import Contribution
from app.core.performance import Performance
from app.core.regime import METHOD as REGIME_METHOD
from app.core.regime import Readings
from app.core.regression import Fit
from app.core.scenario import DrawdownAtRisk
from app.core.series import quarter_name
from app.core.styles import Tilt
from app.services.analysis_ports import RegimeSnapshot, StoredMetrics
from app.services.macro import Indicator, RegimeAnswer

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Money = Annotated[Decimal, Field(ge=-(10**15), le=10**15, decimal_places=10)]
Fraction = Annotated[Decimal, Field(ge=-1000, le=1000, decimal_places=12)]
Weight = Annotated[Decimal, Field(ge=0, le=1, decimal_places=12)]


class ValuedDay(Request):
    """The value at the end of a day, and the cash that came in (or, negative, went out) at its start."""

    date: BookingDate
    value: Annotated[Money, Field(ge=0)]
    flow: Money = Decimal(0)


class NewReturn(Request):
    """POST /v1/analytics/twr: values in ascending order of their days; the first one opens the span."""

    values: Annotated[list[ValuedDay], Field(min_length=2, max_length=1500)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        days = [v.date for v in self.values]
        if days != sorted(set(days)):
            raise ValueError("the days must ascend, each once")
        if self.values[0].flow != 0:
            raise ValueError("the first value opens the span and has no flow")
        return self


class PerformanceOut(BaseModel):
    """Fractions: 0.1 is 10 %. What so few days cannot tell is null."""

    start: date
    end: date
    periods: int
    twr: Number
    annualised: Number | None
    volatility: Number | None
    sharpe: Number | None
    mwr: Number | None

    @classmethod
    def of(cls, p: Performance) -> PerformanceOut:
        """From the domain."""
        return cls(
            start=p.start,
            end=p.end,
            periods=p.periods,
            twr=p.twr,
            annualised=p.annualised,
            volatility=p.volatility,
            sharpe=p.sharpe,
            mwr=p.mwr,
        )


class PortfolioReturnOut(PerformanceOut):
    """With the pack of the last day."""

    pricing_pack_id: str
    ledger_commit_hash: str | None


class SegmentIn(Request):
    """One line of a Brinson-Fachler comparison; the weights of each side must add to exactly 1."""

    name: Name
    portfolio_weight: Weight
    benchmark_weight: Weight
    portfolio_return: Fraction
    benchmark_return: Fraction

    def domain(self) -> brinson.Segment:
        """To the domain."""
        return brinson.Segment(
            self.name, self.portfolio_weight, self.benchmark_weight, self.portfolio_return, self.benchmark_return
        )


class NewBrinson(Request):
    """POST /v1/analytics/brinson: one list of segments per period; several periods are linked (Carino)."""

    periods: Annotated[
        list[Annotated[list[SegmentIn], Field(min_length=1, max_length=50)]], Field(min_length=1, max_length=120)
    ]


class EffectOut(BaseModel):
    """What one segment added to the active return."""

    name: str
    allocation: Number
    selection: Number
    interaction: Number
    total: Number


class BrinsonOut(BaseModel):
    """The effects add to the active return, exactly."""

    portfolio_return: Number
    benchmark_return: Number
    active_return: Number
    effects: list[EffectOut]

    @classmethod
    def of(cls, found: brinson.Attribution) -> BrinsonOut:
        """From the domain."""
        return cls(
            portfolio_return=found.portfolio,
            benchmark_return=found.benchmark,
            active_return=found.active,
            effects=[
                EffectOut(
                    name=e.name,
                    allocation=e.allocation,
                    selection=e.selection,
                    interaction=e.interaction,
                    total=e.total,
                )
                for e in found.effects
            ],
        )


Observations = Annotated[list[Fraction], Field(min_length=60, max_length=1500)]


class NewRegression(Request):
    """POST /v1/analytics/factor-exposure: returns of equal steps, and as many of each factor."""

    returns: Observations
    factors: Annotated[dict[Name, Observations], Field(min_length=1, max_length=6)]


class RegressionOut(BaseModel):
    """Least squares with an intercept; the variance shares and the residual add to 1 (within rounding)."""

    observations: int
    alpha: Number
    betas: dict[str, Number]
    r_squared: Number
    variance_share: dict[str, Number]
    residual: Number

    @classmethod
    def of(cls, found: Fit) -> RegressionOut:
        """From the domain."""
        return cls(
            observations=found.observations,
            alpha=found.alpha,
            betas=dict(found.betas),
            r_squared=found.r_squared,
            variance_share=dict(found.variance_share),
            residual=found.residual,
        )


class ContributionOut(BaseModel):
    """local + fx + interaction = total, exactly; fractions of the value at the start."""

    name: str
    weight: Number
    local: Number
    fx: Number
    interaction: Number
    total: Number

    @classmethod
    def of(cls, c: Contribution) -> ContributionOut:
        """From the domain."""
        return cls(name=c.name, weight=c.weight, local=c.local, fx=c.fx, interaction=c.interaction, total=c.total)


class AttributionOut(BaseModel):
    """Of what was held at both ends of the span. The lines of either list add to the whole."""

    start: date
    end: date
    pricing_pack_id: str
    ledger_commit_hash: str | None
    base_currency: str
    whole: ContributionOut
    holdings: list[ContributionOut]
    currencies: list[ContributionOut]


class TiltOut(BaseModel):
    """Between -0.5 and 0.5; null when no holding has the figures. `coverage` is the share of value that has."""

    tilt: Number | None
    coverage: Number


def tilts_out(tilts: Mapping[str, Tilt]) -> dict[str, TiltOut]:
    """By style."""
    return {style: TiltOut(tilt=t.tilt, coverage=t.coverage) for style, t in tilts.items()}


class MetricsOut(BaseModel):
    """What one night stored."""

    asof_date: date
    pricing_pack_id: str
    performance: PerformanceOut
    attribution_since: date | None
    attribution: ContributionOut | None
    tilts: dict[str, TiltOut]

    @classmethod
    def of(cls, m: StoredMetrics) -> MetricsOut:
        """From the store."""
        since, whole = m.attribution or (None, None)
        return cls(
            asof_date=m.asof,
            pricing_pack_id=m.pack_id,
            performance=PerformanceOut.of(m.performance),
            attribution_since=since,
            attribution=ContributionOut.of(whole) if whole else None,
            tilts=tilts_out(m.tilts),
        )


class ExposureOut(BaseModel):
    """Style tilts of a portfolio."""

    portfolio_id: UUID
    pricing_pack_id: str
    ledger_commit_hash: str | None
    growth: TiltOut
    value: TiltOut
    momentum: TiltOut
    quality: TiltOut


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

"""Shapes of returns, attributions, tilts. Fractions travel as strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from app.api.schemas import BookingDate, Number, Request
from app.core import brinson
from app.core.attribution import Contribution
from app.core.performance import Performance
from app.core.regression import Fit
from app.core.styles import Tilt
from app.services.analysis_ports import StoredMetrics

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Money = Annotated[Decimal, Field(ge=-(10**15), le=10**15, decimal_places=10)]
Fraction = Annotated[Decimal, Field(ge=-1000, le=1000, decimal_places=12)]
Weight = Annotated[Decimal, Field(ge=0, le=1, decimal_places=12)]


class ValuedDay(Request):
    """The value at the end of a day, and the cash that came in at its start or, negative, went out at its end."""

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
    regression: RegressionOut | None

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
            regression=RegressionOut.of(m.regression) if m.regression else None,
        )

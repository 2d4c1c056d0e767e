"""Shapes of ratings."""

from __future__ import annotations

from pydantic import BaseModel

from app.api.schemas import Number
from app.core.money import plain
from app.core.ratings import METHOD, Rating, Score
from app.services.analysis_ports import StoredRating


class ComponentOut(BaseModel):
    """One figure, the score it gives (0 to 10) and its weight."""

    value: Number | None
    score: Number
    weight: Number


class ScoreOut(BaseModel):
    """A score from 0 to 10 and what it is made of."""

    symbol: str
    fiscal_year: int
    score: Number
    components: dict[str, ComponentOut]
    source: str
    method: str = METHOD

    @classmethod
    def of(cls, rating: Rating, score: Score, source: str) -> ScoreOut:
        """One part of a rating."""
        return cls(
            symbol=rating.symbol,
            fiscal_year=rating.fiscal_year,
            score=score.score,
            components={
                name: ComponentOut(value=c.value, score=c.score, weight=c.weight)
                for name, c in score.components.items()
            },
            source=source,
        )


class MoatOut(ScoreOut):
    """The judgements are an analyst's, not a measurement; the better of the two counts as `lock_in`."""

    judgements: dict[str, str]


class StoredRatingOut(BaseModel):
    """What a night stored."""

    fiscal_year: int
    method: str
    overall: str

    @classmethod
    def of(cls, r: StoredRating) -> StoredRatingOut:
        """From the store."""
        return cls(fiscal_year=r.fiscal_year, method=r.method, overall=plain(r.overall))


class RatingOut(BaseModel):
    """All scores: 35 % dividend safety, 40 % moat, 25 % resilience."""

    symbol: str
    fiscal_year: int
    overall: Number
    dividend_safety: ScoreOut
    moat: MoatOut
    resilience: ScoreOut
    history: list[StoredRatingOut]

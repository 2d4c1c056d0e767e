"""Buffett-style ratings from five years of statements: dividend safety, moat, resilience, and their weighted mean.

Every component is a step function of one ratio, 0 to 10; the tables below are the whole method. Weights that the
documents leave open are equal. Switching costs and network effects are judgements and come in as such: the better of
the two counts, because either keeps customers. Without a judgement both are 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.money import CONTEXT, divide, multiply, quantize
from app.core.series import mean

METHOD = "buffett_v1"
YEARS = 5
TWO_PLACES = Decimal("0.01")
NEUTRAL_JUDGEMENT = Decimal(5)
BILLION = Decimal(1000)  # statements are in millions
ITEMS = (
    "revenue",
    "gross_profit",
    "operating_income",
    "interest_expense",
    "net_income",
    "equity",
    "debt",
    "cash",
    "current_assets",
    "current_liabilities",
    "intangibles",
    "total_assets",
    "operating_cash_flow",
    "capital_expenditure",
    "dividends_paid",
)
D = Decimal
Steps = Sequence[tuple[Decimal, int]]


@dataclass(frozen=True, slots=True)
class Statement:
    """One fiscal year, in millions of the reporting currency."""

    fiscal_year: int
    items: Mapping[str, Decimal]

    def __getitem__(self, item: str) -> Decimal:
        return self.items[item]


@dataclass(frozen=True, slots=True)
class Company:
    """What the ratings rest on: statements in ascending years, the dividend streak and the judgements (0 to 10)."""

    symbol: str
    statements: tuple[Statement, ...]
    dividend_streak: int
    switching_costs: Decimal = NEUTRAL_JUDGEMENT
    network_effects: Decimal = NEUTRAL_JUDGEMENT


@dataclass(frozen=True, slots=True)
class Component:
    """The figure that was looked at (None for a judgement out of reach of arithmetic, or no denominator), its score,
    its weight."""

    value: Decimal | None
    score: Decimal
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted mean of its components, two decimals."""

    score: Decimal
    components: Mapping[str, Component]


@dataclass(frozen=True, slots=True)
class Rating:
    """All scores of one company; `fiscal_year` is the newest used."""

    symbol: str
    fiscal_year: int
    dividend_safety: Score
    moat: Score
    resilience: Score
    overall: Decimal


# (limit, score), best first; the second argument of a table's call is the score below all limits.
PAYOUT: Steps = ((D("0.30"), 10), (D("0.50"), 7), (D("0.70"), 5))
FCF_COVER: Steps = ((D(3), 10), (D(2), 7), (D(1), 5))
STREAK: Steps = ((D(20), 10), (D(10), 9), (D(5), 7))
NET_CASH: Steps = ((50 * BILLION, 10), (10 * BILLION, 8), (BILLION, 6))
ROE: Steps = ((D("0.20"), 10), (D("0.15"), 8), (D("0.10"), 6))
GROSS_MARGIN: Steps = ((D("0.60"), 10), (D("0.40"), 8), (D("0.25"), 6))
INTANGIBLES: Steps = ((D("0.30"), 8), (D("0.15"), 6))
LEVERAGE: Steps = ((D("0.5"), 10), (D(1), 8), (D(2), 6))
INTEREST_COVER: Steps = ((D(10), 10), (D(5), 8), (D(2), 6))
CURRENT: Steps = ((D(2), 10), (D("1.5"), 8), (D(1), 7))
MARGIN_SPREAD: Steps = ((D("0.02"), 10), (D("0.05"), 8), (D("0.10"), 6))
OVERALL = {"dividend_safety": D("0.35"), "moat": D("0.40"), "resilience": D("0.25")}


def above(value: Decimal | None, steps: Steps, otherwise: int) -> Decimal:
    """The score of the first limit the value exceeds."""
    return D(next((score for limit, score in steps if value is not None and value > limit), otherwise))


def at_least(value: Decimal, steps: Steps, otherwise: int) -> Decimal:
    """The score of the first limit the value reaches."""
    return D(next((score for limit, score in steps if value >= limit), otherwise))


def below(value: Decimal | None, steps: Steps, otherwise: int) -> Decimal:
    """The score of the first limit the value stays under."""
    return D(next((score for limit, score in steps if value is not None and value < limit), otherwise))


def rate(company: Company) -> Rating:
    """Rate a company; raises ValueError for fewer than five years or a year without one of the items."""
    years = company.statements[-YEARS:]
    if len(years) < YEARS:
        raise ValueError(f"{company.symbol}: {YEARS} fiscal years are needed, {len(years)} are known")
    for year in years:
        missing = [item for item in ITEMS if item not in year.items]
        if missing:
            raise ValueError(f"{company.symbol} {year.fiscal_year}: no {', '.join(missing)}")
    scores = {
        "dividend_safety": _dividend_safety(years, company.dividend_streak),
        "moat": _moat(years, company),
        "resilience": _resilience(years),
    }
    overall = sum((multiply(OVERALL[name], score.score) for name, score in scores.items()), D(0))
    return Rating(
        company.symbol,
        years[-1].fiscal_year,
        scores["dividend_safety"],
        scores["moat"],
        scores["resilience"],
        quantize(overall, TWO_PLACES),
    )


def _dividend_safety(years: Sequence[Statement], streak: int) -> Score:
    payout = _mean_ratio(years, "dividends_paid", "net_income")
    free = mean([y["operating_cash_flow"] - y["capital_expenditure"] for y in years])
    cover = _ratio(free, mean([y["dividends_paid"] for y in years]))
    cash = years[-1]["cash"] - years[-1]["debt"]
    return _score(
        {
            "payout_ratio": Component(payout, below(payout, PAYOUT, 2), D("0.30")),
            "fcf_coverage": Component(cover, above(cover, FCF_COVER, 2), D("0.35")),
            "streak_years": Component(D(streak), at_least(D(streak), STREAK, 5), D("0.20")),
            "net_cash": Component(cash, above(cash, NET_CASH, 4), D("0.15")),
        }
    )


def _moat(years: Sequence[Statement], company: Company) -> Score:
    equity = _mean_ratio(years, "net_income", "equity")
    margin = _mean_ratio(years, "gross_profit", "revenue")
    intangible = _ratio(years[-1]["intangibles"], years[-1]["total_assets"])
    lock_in = max(company.switching_costs, company.network_effects)
    quarter = D("0.25")
    return _score(
        {
            "return_on_equity": Component(equity, above(equity, ROE, 4), quarter),
            "gross_margin": Component(margin, above(margin, GROSS_MARGIN, 4), quarter),
            "intangibles": Component(intangible, above(intangible, INTANGIBLES, 4), quarter),
            "lock_in": Component(None, lock_in, quarter),
        }
    )


def _resilience(years: Sequence[Statement]) -> Score:
    last = years[-1]
    leverage = _ratio(last["debt"], last["equity"])
    cover = _ratio(last["operating_income"], last["interest_expense"])
    # Who pays no interest covers it.
    free = last["interest_expense"] == 0
    current = _ratio(last["current_assets"], last["current_liabilities"])
    margins = [divide(y["operating_income"], y["revenue"]) for y in years]
    middle = mean(margins)
    spread = quantize(
        CONTEXT.sqrt(divide(sum((multiply(m - middle, m - middle) for m in margins), D(0)), D(YEARS - 1)))
    )
    quarter = D("0.25")
    return _score(
        {
            "debt_to_equity": Component(leverage, below(leverage, LEVERAGE, 3), quarter),
            "interest_coverage": Component(cover, D(10) if free else above(cover, INTEREST_COVER, 3), quarter),
            "current_ratio": Component(current, above(current, CURRENT, 4), quarter),
            "margin_stability": Component(spread, below(spread, MARGIN_SPREAD, 4), quarter),
        }
    )


def _score(components: Mapping[str, Component]) -> Score:
    total = sum((multiply(c.weight, c.score) for c in components.values()), D(0))
    return Score(quantize(total, TWO_PLACES), components)


def _ratio(numerator: Decimal, denominator: Decimal) -> Decimal | None:
    return quantize(divide(numerator, denominator)) if denominator > 0 else None


def _mean_ratio(years: Sequence[Statement], numerator: str, denominator: str) -> Decimal | None:
    ratios = [_ratio(y[numerator], y[denominator]) for y in years]
    known = [r for r in ratios if r is not None]
    # One loss-making year must not flatter the mean of the others.
    return quantize(mean(known)) if len(known) == len(years) else None

"""app.core.ratings, app.services.quality and app.services.reference."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from app.core import ratings
from app.core.errors import NotFoundError
from app.core.ratings import ITEMS, Company, Statement, above, at_least, below, rate
from app.services.quality import QualityService
from app.services.reference import PACKAGED, load_reference
from tests.support.memory import REFERENCE
from tests.support.memory_analysis import MemoryAnalysis

D = Decimal
SOUND = {
    "revenue": "1000",
    "gross_profit": "610",
    "operating_income": "300",
    "interest_expense": "10",
    "net_income": "220",
    "equity": "1000",
    "debt": "400",
    "cash": "100",
    "current_assets": "500",
    "current_liabilities": "200",
    "intangibles": "400",
    "total_assets": "1200",
    "operating_cash_flow": "300",
    "capital_expenditure": "50",
    "dividends_paid": "60",
}


def company(**changes: str) -> Company:
    items = {name: D(value) for name, value in (SOUND | changes).items()}
    return Company("X", tuple(Statement(2019 + year, items) for year in range(5)), 25, D(9), D(4))


def test_a_sound_company_by_hand() -> None:
    found = rate(company())
    assert {name: c.score for name, c in found.dividend_safety.components.items()} == {
        "payout_ratio": 10,
        "fcf_coverage": 10,
        "streak_years": 10,
        "net_cash": 4,
    }
    assert {name: c.score for name, c in found.moat.components.items()} == {
        "return_on_equity": 10,
        "gross_margin": 10,
        "intangibles": 8,
        "lock_in": 9,
    }
    assert (found.dividend_safety.score, found.moat.score, found.resilience.score) == (D("9.10"), D("9.25"), D(10))
    assert found.overall == D("9.38")  # .35 x 9.1 + .4 x 9.25 + .25 x 10 = 9.385, half to even
    assert found.fiscal_year == 2023


# Each step of each table, on both sides of its limit.
@pytest.mark.parametrize(
    ("area", "component", "item", "expected"),
    [
        ("dividend_safety", "payout_ratio", "dividends_paid", {"65.9": 10, "66": 7, "110": 5, "154": 2}),
        ("dividend_safety", "fcf_coverage", "dividends_paid", {"83.3": 10, "84": 7, "126": 5, "250": 2}),
        ("dividend_safety", "net_cash", "cash", {"50401": 10, "10401": 8, "1401": 6, "1400": 4}),
        ("moat", "return_on_equity", "net_income", {"200.1": 10, "200": 8, "150": 6, "100": 4}),
        ("moat", "gross_margin", "gross_profit", {"600.1": 10, "600": 8, "400": 6, "250": 4}),
        ("moat", "intangibles", "intangibles", {"360.1": 8, "360": 6, "180": 4}),
        ("resilience", "debt_to_equity", "debt", {"499": 10, "500": 8, "1000": 6, "2000": 3}),
        ("resilience", "interest_coverage", "operating_income", {"101": 10, "100": 8, "50": 6, "20": 3}),
        ("resilience", "current_ratio", "current_assets", {"401": 10, "400": 8, "300": 7, "200": 4}),
    ],
)
def test_every_step(area: str, component: str, item: str, expected: dict[str, int]) -> None:
    found = {value: getattr(rate(company(**{item: value})), area).components[component].score for value in expected}
    assert found == expected


def test_streak_and_margin_stability() -> None:
    assert [at_least(D(n), ratings.STREAK, 5) for n in (20, 19, 10, 9, 5, 4)] == [10, 9, 9, 7, 7, 5]
    rows = company().statements
    shaky = [replace(s, items=dict(s.items) | {"operating_income": D(100 + 150 * i)}) for i, s in enumerate(rows)]
    assert rate(replace(company(), statements=tuple(shaky))).resilience.components["margin_stability"].score == 4
    assert above(None, ratings.ROE, 4) == below(None, ratings.PAYOUT, 4) == 4


def test_a_loss_or_negative_equity_earns_the_lowest_score() -> None:
    found = rate(company(net_income="-1", equity="-5"))
    assert found.dividend_safety.components["payout_ratio"].score == 2
    assert found.moat.components["return_on_equity"].score == 4
    assert found.resilience.components["debt_to_equity"].score == 3
    assert found.resilience.components["debt_to_equity"].value is None


def test_without_interest_every_coverage_is_enough() -> None:
    assert rate(company(interest_expense="0")).resilience.components["interest_coverage"].score == 10


def test_too_few_years_and_missing_items_are_named() -> None:
    whole = company()
    with pytest.raises(ValueError, match="X: 5 fiscal years are needed, 4 are known"):
        rate(replace(whole, statements=whole.statements[:4]))
    hole = Statement(2023, {item: D(1) for item in ITEMS if item != "debt"})
    with pytest.raises(ValueError, match="X 2023: no debt"):
        rate(replace(whole, statements=(*whole.statements[1:], hole)))


async def test_companies_are_rated_and_kept() -> None:
    store = MemoryAnalysis()
    service = QualityService(store, REFERENCE)
    assert [r.symbol for r in service.rate(["WMT", "KO", "WMT"])] == ["WMT", "KO"]
    assert await service.history("KO") == []
    assert await service.store_night() == 3
    (kept,) = await service.history("KO")
    assert (kept.fiscal_year, kept.overall, kept.dataset) == (2023, D("6.97"), REFERENCE.fundamentals_digest)
    assert service.source("KO").startswith("10-K")
    assert service.judgements("JNJ")["switching_costs"] == "10"


def test_who_cannot_be_rated_is_named() -> None:
    service = QualityService(MemoryAnalysis(), REFERENCE)
    with pytest.raises(NotFoundError, match="no five years of statements for AAPL, ZZZ; rated are JNJ, KO, WMT"):
        service.rate(["AAPL", "KO", "ZZZ"])
    with pytest.raises(NotFoundError, match="no judgement for AAPL"):
        service.judgements("AAPL")


def test_the_packaged_documents_say_where_they_come_from() -> None:
    for name in ("macro", "episodes"):
        document = json.loads((PACKAGED / f"{name}.json").read_text())
        digests = [source["sha256"] for source in document["sources"]]
        assert digests
        assert {len(digest) for digest in digests} == {64}
    companies = json.loads((PACKAGED / "fundamentals.json").read_text())["companies"]
    assert companies.keys() >= {"JNJ", "KO", "WMT"}
    assert [name for name, one in companies.items() if not one["source"].startswith("10-K")] == []


def test_a_series_of_an_unknown_frequency_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(PACKAGED, folder)
    macro = json.loads((folder / "macro.json").read_text())
    macro["series"]["GDP"]["frequency"] = "weekly"
    (folder / "macro.json").write_text(json.dumps(macro))
    with pytest.raises(ValueError, match="GDP: frequency 'weekly'"):
        load_reference(folder)

"""core.market, core.pack and the packaged data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import MarketDataError
from app.core.fx import FxRate
from app.core.market import MarketData, parse
from app.core.pack import PackContent
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA
from tests.support.memory import FX

DAY = date(2026, 11, 24)


def content_of(market: MarketData, day: date = DAY) -> PackContent:
    return market.content(day, FX.fixing(day))


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PACKAGED_MARKET_DATA.read_text())
    return loaded


def test_packaged_data_covers_the_universe_and_says_what_it_is() -> None:
    content = content_of(load_market_data(PACKAGED_MARKET_DATA))
    assert {p.symbol for p in content.prices} >= {"AAPL", "MSFT", "BMW.DE", "HSBC.L"}
    assert {p.source for p in content.prices} == {"fixture"}
    assert len(content.rates) == 7 * 6
    assert "no claim about a market" in document()["label"]


def test_the_last_observation_on_or_before_the_date_counts() -> None:
    market = load_market_data(PACKAGED_MARKET_DATA)
    assert content_of(market, date(2023, 10, 30)).price_of()["AAPL"].close == Decimal("171.21")
    assert content_of(market, date(2023, 10, 31)).price_of()["AAPL"].close == Decimal("170.77")
    assert content_of(market).price_of()["AAPL"].observed_on == date(2023, 10, 31)


def test_no_data_before_the_first_day() -> None:
    with pytest.raises(MarketDataError, match="on or before 2020-01-01"):
        content_of(load_market_data(PACKAGED_MARKET_DATA), date(2020, 1, 1))


def test_a_hole_in_the_universe_means_no_pack() -> None:
    raw = document()
    del raw["observations"][-1]["closes"]["MSFT"]
    with pytest.raises(MarketDataError, match="no close for MSFT"):
        content_of(parse(json.dumps(raw)))


def test_a_currency_without_rate_means_no_pack() -> None:
    fixing = FX.fixing(DAY)
    rates = {currency: rate for currency, rate in fixing.per_anchor.items() if currency != "GBP"}
    with pytest.raises(MarketDataError, match="no rate for GBP"):
        load_market_data(PACKAGED_MARKET_DATA).content(DAY, replace(fixing, per_anchor=rates))


def test_a_pack_of_before_rates_had_dates_keeps_its_hash() -> None:
    content = PackContent(date(2023, 10, 31), "P", (), (FxRate("EUR", "USD", Decimal("1.0619")),))
    assert content.canonical_bytes() == (
        b'{"asof_date":"2023-10-31","policy":"P","prices":[],"rates":[["EUR","USD","1.0619"]]}'
    )
    dated = replace(content, rates=(replace(content.rates[0], observed_on=date(2023, 10, 30)),))
    assert b'["EUR","USD","1.0619","2023-10-30"]' in dated.canonical_bytes()
    assert dated.digest() != content.digest()


@pytest.mark.parametrize("close", ["0", "-1", "NaN", "a lot", 170.77])
def test_a_close_must_be_a_positive_number_in_a_string(close: object) -> None:
    raw = document()
    raw["observations"][0]["closes"]["AAPL"] = close
    with pytest.raises(MarketDataError):
        parse(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"source": "x"}'])
def test_a_broken_document_is_a_market_data_error(text: str) -> None:
    with pytest.raises(MarketDataError, match="expected form"):
        parse(text)


def test_an_unreadable_file_is_a_market_data_error(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"cannot read market data gone\.json"):
        load_market_data(tmp_path / "gone.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MarketDataError, match="UnicodeDecodeError"):
        load_market_data(tmp_path / "bytes.json")


def test_hash_is_sha256_of_the_canonical_bytes_and_blind_to_order_and_zeros() -> None:
    content = content_of(load_market_data(PACKAGED_MARKET_DATA))
    shuffled = replace(
        content,
        prices=tuple(replace(p, close=p.close * Decimal("1.000")) for p in reversed(content.prices)),
        rates=tuple(reversed(content.rates)),
    )
    assert content.digest() == hashlib.sha256(content.canonical_bytes()).hexdigest() == shuffled.digest()


def test_hash_notices_one_digit() -> None:
    content = content_of(load_market_data(PACKAGED_MARKET_DATA))
    first, *rest = content.prices
    changed = replace(content, prices=(replace(first, close=first.close + Decimal("1e-10")), *rest))
    assert changed.digest() != content.digest()

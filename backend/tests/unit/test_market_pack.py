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
from app.core.market import parse
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA

DAY = date(2026, 11, 24)


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PACKAGED_MARKET_DATA.read_text())
    return loaded


def test_packaged_data_covers_the_universe_and_says_what_it_is() -> None:
    content = load_market_data(PACKAGED_MARKET_DATA).content(DAY)
    assert {p.symbol for p in content.prices} >= {"AAPL", "MSFT", "BMW.DE", "HSBC.L"}
    assert {p.source for p in content.prices} == {"fixture"}
    assert len(content.rates) == 7 * 6
    assert "no claim about a market" in document()["label"]


def test_the_last_observation_on_or_before_the_date_counts() -> None:
    market = load_market_data(PACKAGED_MARKET_DATA)
    assert market.content(date(2023, 10, 30)).price_of()["AAPL"].close == Decimal("171.21")
    assert market.content(date(2023, 10, 31)).price_of()["AAPL"].close == Decimal("170.77")
    assert market.content(DAY).price_of()["AAPL"].observed_on == date(2023, 10, 31)


def test_no_data_before_the_first_day() -> None:
    with pytest.raises(MarketDataError, match="on or before 2020-01-01"):
        load_market_data(PACKAGED_MARKET_DATA).content(date(2020, 1, 1))


def test_a_hole_in_the_universe_means_no_pack() -> None:
    raw = document()
    del raw["observations"][-1]["closes"]["MSFT"]
    with pytest.raises(MarketDataError, match="no close for MSFT"):
        parse(json.dumps(raw)).content(DAY)


def test_a_currency_without_rate_means_no_pack() -> None:
    raw = document()
    del raw["observations"][-1]["per_anchor"]["GBP"]
    with pytest.raises(MarketDataError, match="no rate for GBP"):
        parse(json.dumps(raw)).content(DAY)


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
    content = load_market_data(PACKAGED_MARKET_DATA).content(DAY)
    shuffled = replace(
        content,
        prices=tuple(replace(p, close=p.close * Decimal("1.000")) for p in reversed(content.prices)),
        rates=tuple(reversed(content.rates)),
    )
    assert content.digest() == hashlib.sha256(content.canonical_bytes()).hexdigest() == shuffled.digest()


def test_hash_notices_one_digit() -> None:
    content = load_market_data(PACKAGED_MARKET_DATA).content(DAY)
    first, *rest = content.prices
    changed = replace(content, prices=(replace(first, close=first.close + Decimal("1e-10")), *rest))
    assert changed.digest() != content.digest()

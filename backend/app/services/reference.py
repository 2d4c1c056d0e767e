"""The packaged reference documents: macro series, episodes, statements. Read once, checked into typed values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.core.ratings import ITEMS, YEARS, Company, Statement
from app.core.scenario import Episode
from app.core.series import MONTHS, Series, SeriesInfo
from app.services.analysis_ports import Fundamental, MacroData, ReferenceData

PACKAGED = Path(__file__).parents[1] / "data"


def load_reference(folder: Path = PACKAGED) -> ReferenceData:
    """All three documents. They are part of the release, so one that cannot be read is a bug and raises as it is."""
    macro, macro_digest = _document(folder / "macro.json")
    episodes, episodes_digest = _document(folder / "episodes.json")
    statements, statements_digest = _document(folder / "fundamentals.json")
    return ReferenceData(
        _macro(macro, macro_digest),
        {name: tuple(_episode(e) for e in rows) for name, rows in episodes["scenarios"].items()},
        episodes_digest,
        {symbol: _fundamental(symbol, raw) for symbol, raw in statements["companies"].items()},
        statements_digest,
    )


def _document(path: Path) -> tuple[dict[str, Any], str]:
    data = path.read_bytes()
    document: dict[str, Any] = json.loads(data)
    return document, hashlib.sha256(data).hexdigest()


def _macro(raw: Mapping[str, Any], digest: str) -> MacroData:
    series = {}
    for name, one in raw["series"].items():
        if one["frequency"] not in MONTHS:
            raise ValueError(f"{name}: frequency {one['frequency']!r} is neither monthly nor quarterly")
        info = SeriesInfo(name, one["title"], one["units"], one["frequency"], raw["label"])
        series[name] = Series(info, date.fromisoformat(one["start"]), tuple(Decimal(v) for v in one["values"].split()))
    return MacroData(digest, date.fromisoformat(raw["vintage"]), series)


def _episode(raw: Mapping[str, Any]) -> Episode:
    changes = {kind: Decimal(change) for kind, change in raw["changes"].items()}
    return Episode(raw["name"], date.fromisoformat(raw["start"]), date.fromisoformat(raw["end"]), changes)


def _fundamental(symbol: str, raw: Mapping[str, Any]) -> Fundamental:
    statements = tuple(
        Statement(int(year), {item: Decimal(value) for item, value in items.items()})
        for year, items in sorted(raw["statements"].items())
    )
    company = None
    if len(statements) >= YEARS and all(item in s.items for s in statements for item in ITEMS):
        judged = raw["judgement"]
        company = Company(
            symbol,
            statements,
            int(raw["dividend_streak"]),
            Decimal(judged["switching_costs"]),
            Decimal(judged["network_effects"]),
        )
    last = statements[-1].items
    return Fundamental(symbol, raw["source"], company, last.get("shares"), last["net_income"], last["equity"])

"""`python -m tests.golden.regenerate --sources DIR`: makes every packaged data file, golden input and golden again.

DIR holds the files that `tests.golden.sources` names, unchanged; a missing one is asked for with the command that
fetches it. What is written is committed; a reviewer runs this and sees no difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from app.core.money import CONTEXT, divide, multiply, plain, quantize
from app.core.regression import Moments
from app.core.series import shift
from app.services.packs import load_market_data
from app.settings import PACKAGED_MARKET_DATA
from tests.golden import sources
from tests.golden.episodes import EPISODES, Span
from tests.golden.sources import BOKEH, GRETL, HVSAMPLE, OPENBB_FRED, SKFOLIO, Source, SourceError

BACKEND = Path(__file__).parents[2]
DATA = BACKEND / "app" / "data"
INPUTS = Path(__file__).parent / "inputs"
MACRO = {
    "CPIAUCSL": "cpiaucsl",
    "FEDFUNDS": "fedfunds",
    "GDP": "gdp",
    "GDPC1": "gdpc1",
    "GS10": "gs10",
    "GS2": "gs2",
    "INDPRO": "indpro",
    "PAYEMS": "payems",
    "TB3MS": "tb3ms",
    "UNRATE": "unrate",
}
FREQUENCIES = {"M": "monthly", "Q": "quarterly"}
PLACES = Decimal("1e-12")
SIXTY, FORTY = Decimal("0.6"), Decimal("0.4")
WINDOWS = {
    "dotcom": (date(2000, 1, 1), date(2002, 12, 31)),
    "financial_crisis": (date(2007, 10, 1), date(2009, 3, 31)),
    "covid": (date(2020, 1, 1), date(2020, 12, 31)),
}
BRINSON_YEARS = (2007, 2008, 2009)
BASKET = ("AAPL", "IBM", "MSFT")


def source_note(*used: Source) -> list[dict[str, str]]:
    """What stands in a file's header."""
    return [{"file": s.file, "sha256": s.sha256, "fetch": s.fetch, "rights": s.rights} for s in used]


def write(path: Path, document: object) -> None:
    """Sorted keys, LF, one final newline."""
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode())
    print(f"wrote {path.relative_to(BACKEND)}")


def macro(folder: Path) -> None:
    """The macro-economic series that the service ships, whole, as revised on 2022-10-31."""
    found = sources.fedstl(sources.opened(folder, GRETL))
    series = {}
    for name, key in MACRO.items():
        one = found[key]
        title, _, units = one.description.partition(", ")
        series[name] = {
            "title": title,
            "units": units,
            "frequency": FREQUENCIES[one.frequency],
            "start": one.start.isoformat(),
            "values": " ".join(plain(v) for v in one.values),
        }
    write(
        DATA / "macro.json",
        {
            "label": "St. Louis Fed series as revised on 2022-10-31, seven significant digits, out of gretl's fedstl.",
            "vintage": "2022-10-31",
            "sources": source_note(GRETL),
            "series": series,
        },
    )


def par_bond_return(before: Decimal, after: Decimal, years: int, days: int) -> Decimal:
    """Return of a bond bought at par with yield `before` and priced `days` later at yield `after` (fractions).

    Semi-annual coupons, compounding within the half-year, no roll-down: the maturity is put back every time.
    """
    half, count = divide(after, Decimal(2)), 2 * years
    growth = CONTEXT.add(Decimal(1), half)
    final = CONTEXT.power(growth, -count)
    annuity = Decimal(count) if half == 0 else divide(1 - final, half)
    clean = multiply(divide(before, Decimal(2)), annuity) + final
    passed = CONTEXT.power(growth, divide(Decimal(2 * days), Decimal(365)))
    return CONTEXT.subtract(multiply(clean, passed), Decimal(1))


def bond_returns(yields: Mapping[date, Decimal], days: Sequence[date], years: int) -> list[Decimal]:
    """Returns between consecutive days; the yields are in percent."""
    hundred = Decimal(100)
    return [
        par_bond_return(divide(yields[a], hundred), divide(yields[b], hundred), years, (b - a).days)
        for a, b in pairwise(days)
    ]


def compounded(returns: Sequence[Decimal]) -> Decimal:
    """Total return."""
    total = Decimal(1)
    for value in returns:
        total = multiply(total, 1 + value)
    return total - 1


def quarterly_sixty_forty(
    days: Sequence[date], stocks: Sequence[Decimal], bonds: Sequence[Decimal]
) -> tuple[list[Decimal], Decimal]:
    """Returns of 60/40 put back on the last trading day of each quarter, and the deepest fall from a peak."""
    weights, level, peak, deepest, returns = (SIXTY, FORTY), Decimal(1), Decimal(1), Decimal(0), []
    for at, (s, b) in enumerate(zip(stocks, bonds, strict=True)):
        grown = multiply(weights[0], 1 + s), multiply(weights[1], 1 + b)
        total = sum(grown, Decimal(0))
        returns.append((total - 1).quantize(PLACES, context=CONTEXT))
        level = multiply(level, total)
        peak = max(peak, level)
        deepest = min(deepest, divide(level, peak) - 1)
        weights = divide(grown[0], total), divide(grown[1], total)
        day = days[at + 1]
        if at + 2 < len(days) and (day.year, (day.month - 1) // 3) != (
            days[at + 2].year,
            (days[at + 2].month - 1) // 3,
        ):
            weights = SIXTY, FORTY
    return returns, deepest


def sixty_forty(folder: Path) -> None:
    """Sums and sums of products of daily returns: enough for least squares, too little to restore the index."""
    index = sources.sp500(sources.opened(folder, SKFOLIO))
    yields = sources.treasury_yields(sources.opened(folder, OPENBB_FRED), "DGS7")
    windows = {}
    for name, (first, last) in WINDOWS.items():
        days = sorted(d for d in index if d in yields and first <= d <= last)
        stocks = [(divide(index[b], index[a]) - 1).quantize(PLACES) for a, b in pairwise(days)]
        bonds = [r.quantize(PLACES) for r in bond_returns(yields, days, 7)]
        returns, deepest = quarterly_sixty_forty(days, stocks, bonds)
        moments = Moments.of(returns, {"SP500": stocks, "UST7Y": bonds})
        windows[name] = {
            "first": days[0].isoformat(),
            "last": days[-1].isoformat(),
            "count": moments.count,
            "sums": [_exact(v) for v in moments.sums],
            "products": [[_exact(v) for v in row] for row in moments.products],
            "max_drawdown": plain(quantize(deepest)),
            "total_return": plain(quantize(compounded(returns))),
        }
    write(
        INPUTS / "sixty_forty.json",
        {
            "label": "60 % S&P 500 (price index) and 40 % UST7Y (seven-year constant maturity Treasury, repriced "
            "daily), put back to 60/40 at each quarter's end. Moments of daily returns, in the order SP500, UST7Y, "
            "portfolio.",
            "sources": source_note(SKFOLIO, OPENBB_FRED),
            "windows": windows,
        },
    )


def _exact(value: object) -> str:
    # Products of numbers with 12 decimals have 24, so this is not a rounding.
    numerator, denominator = value.as_integer_ratio()  # type: ignore[attr-defined]
    scaled = numerator * 10**24
    if scaled % denominator:
        raise ValueError(f"{value} has more than 24 decimals")
    return plain(Decimal(scaled // denominator).scaleb(-24))


def brinson(folder: Path) -> None:
    """Calendar years of a portfolio that starts 60/40 and drifts, against 60/40 put back each January."""
    index = sources.sp500(sources.opened(folder, SKFOLIO))
    yields = sources.treasury_yields(sources.opened(folder, OPENBB_FRED), "DGS7")
    closes = [sources.wiki_closes(sources.opened(folder, BOKEH), symbol) for symbol in BASKET]
    held = {"equity": SIXTY, "bonds": FORTY}
    periods = []
    for year in BRINSON_YEARS:
        days = sorted(d for d in index if d in yields and d.year in (year - 1, year))
        days = days[max(i for i, d in enumerate(days) if d.year == year - 1) :]
        first, last = days[0], days[-1]
        basket = divide(sum((divide(c[last], c[first]) for c in closes), Decimal(0)), Decimal(len(closes))) - 1
        bonds = quantize(compounded(bond_returns(yields, days, 7)))
        weight = quantize(divide(held["equity"], held["equity"] + held["bonds"]))
        periods.append(
            {
                "year": year,
                "first": first.isoformat(),
                "last": last.isoformat(),
                "segments": [
                    _segment(
                        "equity", weight, SIXTY, quantize(basket), quantize(divide(index[last], index[first]) - 1)
                    ),
                    _segment("bonds", 1 - weight, FORTY, bonds, bonds),
                ],
            }
        )
        held = {"equity": multiply(held["equity"], 1 + basket), "bonds": multiply(held["bonds"], 1 + bonds)}
    write(
        INPUTS / "brinson.json",
        {
            "label": "Equity: AAPL, IBM and MSFT in equal parts with dividends, put back each January; against the "
            "S&P 500's price change. Bonds: UST7Y on both sides. Weights of the portfolio drift from 60/40.",
            "sources": source_note(SKFOLIO, OPENBB_FRED, BOKEH),
            "periods": periods,
        },
    )


def _segment(name: str, wp: Decimal, wb: Decimal, rp: Decimal, rb: Decimal) -> dict[str, str]:
    return {
        "name": name,
        "portfolio_weight": plain(wp),
        "benchmark_weight": plain(wb),
        "portfolio_return": plain(rp),
        "benchmark_return": plain(rb),
    }


def episodes(folder: Path) -> None:
    """The scenarios' history: published turning points of the S&P 500, and what ten-year Treasuries did meanwhile."""
    index = sources.sp500(sources.opened(folder, SKFOLIO))
    daily = sources.treasury_yields(sources.opened(folder, OPENBB_FRED), "DGS10")
    gs10 = sources.fedstl(sources.opened(folder, GRETL))["gs10"]
    monthly = {shift(gs10.start, i): v for i, v in enumerate(gs10.values)}
    written: dict[str, list[dict[str, object]]] = {}
    for scenario, spans in EPISODES.items():
        for span in spans:
            for day, level in ((span.start, span.first), (span.end, span.last)):
                if day in index and index[day] != level:
                    raise SourceError(f"{span.name}: the index stood at {index[day]} on {day}, not at {level}")
            written.setdefault(scenario, []).append(
                {
                    "name": span.name,
                    "start": span.start.isoformat(),
                    "end": span.end.isoformat(),
                    "changes": {
                        "equity": plain(quantize(divide(span.last, span.first) - 1)),
                        "bonds": plain(quantize(_treasury_change(span, daily, monthly))),
                    },
                    "equity_levels": [plain(span.first), plain(span.last)],
                    "equity_verified": span.start in index and span.end in index,
                }
            )
    write(
        DATA / "episodes.json",
        {
            "label": "Equity: S&P 500 closes at published turning points; those from 1990 on were compared with the "
            "index (equity_verified), earlier ones are quoted from memory. Bonds: ten-year constant maturity Treasury "
            "repriced daily (monthly means before 1962). Other asset classes are taken as unchanged.",
            "sources": source_note(SKFOLIO, OPENBB_FRED, GRETL),
            "scenarios": written,
        },
    )


def _treasury_change(span: Span, daily: Mapping[date, Decimal], monthly: Mapping[date, Decimal]) -> Decimal:
    if span.start >= min(daily):
        days = sorted(d for d in daily if span.start <= d <= span.end)
        return compounded(bond_returns(daily, days, 10))
    first, last = span.start.replace(day=1), span.end.replace(day=1)
    return compounded(bond_returns(monthly, sorted(d for d in monthly if first <= d <= last), 10))


def check_apple(folder: Path) -> None:
    """The closes of AAPL in the market data are facts: compare them, write nothing."""
    published = sources.apple_closes(sources.opened(folder, HVSAMPLE))
    for observation in load_market_data(PACKAGED_MARKET_DATA).observations:
        found = observation.closes["AAPL"]
        if published.get(observation.day) != found:
            raise SourceError(f"AAPL closed at {published.get(observation.day)} on {observation.day}, not at {found}")
    print("AAPL's closes are as published")


STEPS = (macro, sixty_forty, brinson, episodes, check_apple)


def main(argv: Sequence[str] | None = None) -> int:
    """0 all written, 1 a source is missing or different, else what pytest says."""
    parser = argparse.ArgumentParser(prog="tests.golden.regenerate", description=__doc__)
    parser.add_argument(
        "--sources", type=Path, required=True, help="folder with the files named in tests/golden/sources.py"
    )
    options = parser.parse_args(argv)
    INPUTS.mkdir(exist_ok=True)
    try:
        for step in STEPS:
            step(options.sources)
    except SourceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(pytest.main([str(Path(__file__).parent), "-q", "--golden-update=always"]))


if __name__ == "__main__":
    sys.exit(main())

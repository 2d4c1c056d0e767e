"""Properties of the analysis. All pure; 1,000 examples each under `--hypothesis-profile=pipeline`."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.core.attribution import Holding, attribute_portfolio
from app.core.brinson import Segment, attribute, link
from app.core.fx import FxRate
from app.core.history import Event, Mark, periods
from app.core.pack import PackContent, Price
from app.core.performance import measure
from app.core.ratings import ITEMS, Company, Statement, rate
from app.core.regime import LABELS, Readings, classify
from app.core.regression import Moments, fit, solve
from app.core.scenario import Episode, portfolio_change
from app.core.styles import StyleFigures, tilts
from app.core.twr import growth

D = Decimal
START = date(2024, 1, 1)


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[D]:
    """From `low` to `high` in whole steps; drawing integers is several times faster than drawing decimals."""
    return st.integers(low * 10**places, high * 10**places).map(lambda n: D(n).scaleb(-places))


returns = st.integers(-9 * 10**7, 2 * 10**8).map(lambda n: D(n).scaleb(-8))


@st.composite
def weights(draw: st.DrawFn, count: int) -> list[D]:
    """Fractions with 8 decimals that add to exactly one: the gaps between cuts of a stick."""
    cuts = sorted(draw(st.lists(st.integers(0, 10**8), min_size=count - 1, max_size=count - 1)))
    return [D(b - a).scaleb(-8) for a, b in pairwise([0, *cuts, 10**8])]


@st.composite
def comparisons(draw: st.DrawFn, count: int) -> list[Segment]:
    portfolio, benchmark = draw(weights(count)), draw(weights(count))
    return [
        Segment(f"s{i}", wp, wb, draw(returns), draw(returns))
        for i, (wp, wb) in enumerate(zip(portfolio, benchmark, strict=True))
    ]


@given(st.integers(1, 6).flatmap(comparisons))
def test_brinson_effects_add_to_the_active_return_exactly(segments: list[Segment]) -> None:
    found = attribute(segments)
    exact = sum(
        (
            Fraction(s.portfolio_weight) * Fraction(s.portfolio_return)
            - Fraction(s.benchmark_weight) * Fraction(s.benchmark_return)
            for s in segments
        ),
        Fraction(0),
    )
    assert sum((Fraction(e.total) for e in found.effects), Fraction(0)) == Fraction(found.active) == exact


@given(st.integers(1, 4).flatmap(comparisons))
def test_the_benchmark_itself_has_no_effects(segments: list[Segment]) -> None:
    same = [
        Segment(s.name, s.benchmark_weight, s.benchmark_weight, s.benchmark_return, s.benchmark_return)
        for s in segments
    ]
    assert {e.total for e in attribute(same).effects} == {D(0)}


@given(st.integers(1, 3).flatmap(lambda n: st.lists(comparisons(n), min_size=1, max_size=3)))
def test_linked_effects_add_to_the_compounded_active_return(spans: list[list[Segment]]) -> None:
    found = link([attribute(segments) for segments in spans])
    assert sum((e.total for e in found.effects), D(0)) == found.active
    portfolio = benchmark = Fraction(1)
    for segments in spans:
        portfolio *= 1 + sum(Fraction(s.portfolio_weight) * Fraction(s.portfolio_return) for s in segments)
        benchmark *= 1 + sum(Fraction(s.benchmark_weight) * Fraction(s.benchmark_return) for s in segments)
    assert abs(Fraction(found.active) - (portfolio - benchmark)) < Fraction(1, 10**11)


positions = st.builds(
    Holding,
    st.sampled_from("ABCDEFGH"),
    st.sampled_from(["USD", "EUR", "JPY"]),
    decimals(1, 10**6, 2),
    st.tuples(decimals(1, 10**4, 4), decimals(1, 10**4, 4)),
    st.tuples(decimals(1, 200, 6), decimals(1, 200, 6)),
)


@given(st.lists(positions, min_size=1, max_size=8))
def test_contributions_add_exactly_by_holding_and_by_currency(held: list[Holding]) -> None:
    found = attribute_portfolio(held)
    for lines in (found.holdings, found.currencies):
        assert sum((line.total for line in lines), D(0)) == found.whole.total
    start, end = (
        sum((Fraction(h.quantity) * Fraction(h.price[at]) * Fraction(h.fx[at]) for h in held), Fraction(0))
        for at in range(2)
    )
    exact = end / start - 1
    # Three numbers rounded to 8 decimals per line, at 28 digits of what may be large.
    assert abs(Fraction(found.whole.total) - exact) <= Fraction(3 * len(held), 2 * 10**8) + abs(exact) / 10**15


def pack(day: date, close: D) -> PackContent:
    return PackContent(day, "P", (Price("S", close, "EUR", "t", day),), (FxRate("EUR", "USD", D("1.1"), day),))


prices = st.lists(decimals(1, 1000, 2), min_size=2, max_size=8)


@given(prices, st.lists(st.integers(0, 5), min_size=8, max_size=8), st.integers(1, 9))
def test_buying_at_the_close_before_never_changes_the_return(closes: list[D], bought: list[int], first: int) -> None:
    """The return of a portfolio of one security is the security's, whatever is bought and when."""
    marks = [Mark(START + timedelta(days=i), pack(START + timedelta(days=i), c)) for i, c in enumerate(closes)]
    events = [Event(START, "S", D(first), flow=first * closes[0])]
    for mark, (before, _), amount in zip(marks[1:], pairwise(closes), bought, strict=False):
        events.append(Event(mark.day, "S", D(amount), flow=amount * before))
    start, found = periods(events, marks, "EUR")
    assert abs(measure(start, found).twr - (closes[-1] / closes[0] - 1)) <= D("1e-8") + closes[-1] / closes[0] * D(
        "1e-20"
    )


def held_through(closes: list[D], events: list[Event]) -> list[D]:
    """Growth of each day of a portfolio of one security, whose first close is also what it was bought at."""
    marks = [Mark(START + timedelta(days=i), pack(START + timedelta(days=i), c)) for i, c in enumerate(closes)]
    return [growth(p.period) for p in periods(events, marks, "EUR")[1]]


@given(prices, st.lists(decimals(0, 1, 6), min_size=8, max_size=8))
def test_selling_at_the_close_never_changes_the_return(closes: list[D], shares: list[D]) -> None:
    """However large a part of what is left is sold, and all of it: what was sold had its part in the day."""
    left = D(1000)
    events = [Event(START, "S", left, flow=left * closes[0])]
    for i, (close, share) in enumerate(zip(closes[1:], shares, strict=False), 1):
        sold = (left * share).quantize(D("1e-6"))
        if left - sold < D("1e-6"):
            sold = left
        events.append(Event(START + timedelta(days=i), "S", -sold, flow=-sold * close))
        left -= sold
        if left == 0:
            break
    earned = held_through(closes, events)
    moves = [after / before for before, after in pairwise(closes)]
    assert all(abs(one - move) <= move * D("1e-20") for one, move in zip(earned, moves, strict=False))
    assert len(earned) == (len(moves) if left else len(events) - 1)


trades = st.lists(st.tuples(decimals(-1, 2, 4), decimals(0, 1, 4)), max_size=6)


@given(decimals(1, 100, 2), decimals(1, 100, 2), decimals(0, 1, 3), trades)
def test_a_day_earns_no_more_and_loses_no_more_than_its_prices_moved(
    before: D, after: D, held: D, orders: list[tuple[D, D]]
) -> None:
    """Whatever is bought and sold, as the price goes its way from one close to the other."""
    events, left = [Event(START, "S", held, flow=held * before)], held
    for size, at in sorted(orders, key=lambda order: order[1]):
        quantity = (size if size > 0 else left * size).quantize(D("1e-8"))
        if 0 < left + quantity < D("1e-5"):
            quantity = -left
        left += quantity
        events.append(Event(START + timedelta(days=1), "S", quantity, flow=quantity * (before + (after - before) * at)))
    try:
        (earned,) = held_through([before, after], events)
    except ValueError:
        assert held == 0
        assert all(e.quantity == 0 for e in events)
        return
    slack = D("1e-18")
    assert min(D(1), after / before) - slack <= earned <= max(D(1), after / before) + slack


@given(decimals(1, 100, 2), decimals(1, 100, 2), decimals(0, 10, 2), decimals(1, 100, 2), decimals(1, 100, 2))
def test_selling_nearly_everything_earns_nearly_what_selling_everything_does(
    before: D, after: D, more: D, cost: D, price: D
) -> None:
    """After buying more in the morning, at any prices: no jump where the last share goes."""
    bought = [Event(START, "S", D(10), flow=10 * before), Event(START + timedelta(days=1), "S", more, flow=more * cost)]
    hair = D("0.0001")
    ends = []
    for kept in (D(0), hair):
        sale = Event(START + timedelta(days=1), "S", kept - 10 - more, flow=(kept - 10 - more) * price)
        ends += held_through([before, after], [*bought, sale])
    assert abs(ends[0] - ends[1]) <= hair * max(after, price) / before


@given(prices, st.integers(1, 7), st.sampled_from([D(2), D("0.5"), D(3), D("0.25")]))
def test_a_split_never_changes_the_return(closes: list[D], at: int, ratio: D) -> None:
    at = min(at, len(closes) - 1)
    days = [START + timedelta(days=i) for i in range(len(closes))]
    bought = Event(START, "S", D(12), flow=12 * closes[0])
    whole = [Mark(day, pack(day, c)) for day, c in zip(days, closes, strict=True)]
    # From the split on, prices are quoted per new share.
    quoted = [
        Mark(m.day, pack(m.day, c / ratio if i >= at else c))
        for i, (m, c) in enumerate(zip(whole, closes, strict=True))
    ]
    plain = periods([bought], whole, "USD")[1]
    split = periods([bought, Event(days[at], "S", ratio=ratio)], quoted, "USD")[1]
    assert all(
        abs(growth(a.period) - growth(b.period)) <= growth(a.period) * D("1e-20")
        for a, b in zip(plain, split, strict=True)
    )


series = st.lists(st.tuples(returns, returns, returns), min_size=5, max_size=6)


@given(series)
def test_least_squares_leaves_a_residual_that_no_factor_explains(rows: list[tuple[D, D, D]]) -> None:
    y, *factors = ([row[i] for row in rows] for i in range(3))
    moments = Moments.of(y, dict(zip("ab", factors, strict=True)))
    try:
        betas = solve(
            [[moments.covariance(i, j) for j in range(2)] for i in range(2)],
            [moments.covariance(i, 2) for i in range(2)],
        )
        found = fit(moments)
    except ValueError:
        # Factors that explain each other, or returns that never move.
        assert moments.covariance(0, 0) * moments.covariance(1, 1) == moments.covariance(0, 1) ** 2 or len(set(y)) == 1
        return
    # Exactly, before anything is rounded: what is left over does not vary with either factor.
    for i in range(2):
        assert moments.covariance(i, 2) == sum((b * moments.covariance(i, j) for j, b in enumerate(betas)), Fraction(0))
    assert 0 <= found.r_squared <= 1
    assert abs(sum(found.variance_share.values(), found.residual) - 1) <= D("2e-8")
    assert all(abs(Fraction(b) - e) <= Fraction(1, 10**8) for b, e in zip(found.betas.values(), betas, strict=True))


@given(series, st.permutations(range(5)))
def test_moments_do_not_depend_on_the_order_of_the_days(rows: list[tuple[D, D, D]], order: list[int]) -> None:
    shuffled = [rows[i] for i in order] + rows[5:]
    one, other = (
        Moments.of([r[0] for r in some], {"a": [r[1] for r in some], "b": [r[2] for r in some]})
        for some in (rows, shuffled)
    )
    assert one == other


figures = st.none() | decimals(-10, 100, 2)
holdings = st.lists(
    st.tuples(decimals(1, 10**9, 2), st.builds(StyleFigures, figures, figures, figures, figures)),
    max_size=8,
)


@given(holdings)
def test_a_tilt_lies_within_a_half_and_says_what_it_covers(held: list[tuple[D, StyleFigures]]) -> None:
    for tilt in tilts(held).values():
        assert 0 <= tilt.coverage <= 1
        assert tilt.tilt is None or abs(tilt.tilt) <= D("0.5")
        assert (tilt.tilt is None) is (tilt.coverage == 0) or tilt.coverage < D("1e-7")


readings = st.builds(Readings, *(decimals(-20, 20, 2) for _ in range(7)))


@given(readings)
def test_every_reading_has_a_regime(seen: Readings) -> None:
    found = classify(seen)
    assert found.label in LABELS
    assert D("0.7") <= found.confidence <= D("0.95")
    # A deep contraction needs a shrinking economy, whatever else is read.
    assert found.label != "deep_contraction" or seen.gdp_yoy < 0


numbers = st.integers(0, 100_000).map(D)
# Thirty numbers make two kinds of years, which alternate: enough for every table, and quick to draw.
statements = st.tuples(*(st.fixed_dictionaries(dict.fromkeys(ITEMS, numbers)) for _ in range(2)))
judged = st.integers(0, 10).map(D)


@given(statements, st.integers(0, 70), judged, judged)
def test_every_score_is_between_nought_and_ten(
    years: tuple[dict[str, D], ...], streak: int, costs: D, effects: D
) -> None:
    filed = tuple(
        Statement(2019 + i, items | {"revenue": items["revenue"] + 1})
        for i, items in enumerate(years[n % 2] for n in range(5))
    )
    found = rate(Company("X", filed, streak, costs, effects))
    for score in (found.dividend_safety.score, found.moat.score, found.resilience.score, found.overall):
        assert 0 <= score <= 10
    better = rate(Company("X", filed, streak + 20, D(10), effects))
    assert better.overall >= found.overall


changes = st.dictionaries(st.sampled_from(["equity", "bonds", "gold"]), returns)


@given(changes, decimals(0, 1, 4))
def test_a_scenario_is_linear_in_the_weights(moved: dict[str, D], share: D) -> None:
    episode = Episode("e", START, START, moved)
    mixed = portfolio_change({"equity": share, "bonds": 1 - share}, episode)
    ends = [portfolio_change({kind: D(1)}, episode) for kind in ("equity", "bonds")]
    assert mixed == share * ends[0] + (1 - share) * ends[1]
    assert min(ends) <= mixed <= max(ends)

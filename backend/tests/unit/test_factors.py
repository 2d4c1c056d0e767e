"""app.core.regression, styles and scenario."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import islice

import pytest

from app.core.regression import Moments, fit, solve
from app.core.scenario import Episode, drawdown_at_risk, draws, percentile
from app.core.styles import StyleFigures, Tilt, tilts

D = Decimal
X = [D(n) / 100 for n in (1, -2, 3, 0, 5, -1)]
Z = [D(n) / 100 for n in (0, 1, 1, -3, 2, 4)]


def test_an_exact_relation_is_found_exactly() -> None:
    y = [D("0.001") + D("0.6") * a + D("0.4") * b for a, b in zip(X, Z, strict=True)]
    found = fit(Moments.of(y, {"stocks": X, "bonds": Z}))
    assert (found.alpha, found.betas) == (D("0.001"), {"stocks": D("0.6"), "bonds": D("0.4")})
    assert (found.r_squared, found.residual, found.observations) == (D(1), D(0), 6)
    assert sum(found.variance_share.values()) == 1


def test_a_single_factor_by_hand() -> None:
    """Slope 1/2 through (0, 0), (1, 1), (2, 1): y = 1/6 + x/2, R squared 3/4."""
    found = fit(Moments.of([D(0), D(1), D(1)], {"x": [D(0), D(1), D(2)]}))
    assert (found.betas["x"], found.alpha) == (D("0.5"), D("0.16666667"))
    assert (found.r_squared, found.variance_share["x"], found.residual) == (D("0.75"), D("0.75"), D("0.25"))


@pytest.mark.parametrize(
    ("y", "factors", "message"),
    [
        (X, {}, "between 1 and 6 factors"),
        (X, {str(n): X for n in range(7)}, "between 1 and 6 factors"),
        (X, {"x": X[:-1]}, "same number"),
        (X[:2], {"x": X[:2]}, "need at least 3"),
        ([D(1)] * 6, {"x": X}, "never move"),
        (Z, {"x": X, "2x": [2 * x for x in X]}, "explain each other"),
        (Z, {"flat": [D(1)] * 6}, "explain each other"),
    ],
)
def test_what_has_no_answer_is_refused(y: list[D], factors: dict[str, list[D]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(Moments.of(y, factors))


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN is not a number"):
        Moments.of([D("NaN"), D(1)], {"x": [D(1), D(2)]})


def test_elimination_swaps_rows() -> None:
    matrix = [[Fraction(0), Fraction(2)], [Fraction(3), Fraction(0)]]
    assert solve(matrix, [Fraction(4), Fraction(9)]) == [3, 2]


GROWTH = StyleFigures(D(30), D(10), D("0.2"), D("0.3"))
VALUE = StyleFigures(D(8), D("1.5"), D("0.15"), D("0.15"))
UNKNOWN = StyleFigures()


def test_tilts_are_the_share_above_a_half() -> None:
    found = tilts([(D(75), GROWTH), (D(25), VALUE)])
    assert {style: t.tilt for style, t in found.items()} == {
        "growth": D("0.25"),
        "value": D("-0.25"),
        "momentum": D("0.25"),
        "quality": D("0.25"),
    }
    assert {t.coverage for t in found.values()} == {D(1)}


def test_what_is_not_known_is_not_guessed() -> None:
    assert tilts([(D(50), GROWTH), (D(150), UNKNOWN)])["growth"] == Tilt(D("0.5"), D("0.25"))
    for holdings in ([(D(1), UNKNOWN)], []):
        assert set(tilts(holdings).values()) == {Tilt(None, D(0))}


def episode(name: str, equity: str, bonds: str = "0") -> Episode:
    return Episode(name, date(2000, 1, 1), date(2001, 1, 1), {"equity": D(equity), "bonds": D(bonds)})


EPISODES = [episode("a", "-0.5", "0.1"), episode("b", "-0.3"), episode("c", "-0.1", "-0.1")]


def test_drawdown_at_risk_is_the_mean_with_its_interval() -> None:
    found = drawdown_at_risk({"equity": D("0.6"), "bonds": D("0.4")}, EPISODES, "seed")
    assert dict(found.by_episode) == {"a": D("-0.26"), "b": D("-0.18"), "c": D("-0.1")}
    assert (found.expected, found.worst) == (D("-0.18"), D("-0.26"))
    assert found.worst <= found.low < found.expected < found.high < 0


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    many = [episode(str(n), f"-0.{n:02}") for n in range(1, 60)]
    one = drawdown_at_risk({"equity": D(1)}, many, "1")
    assert one == drawdown_at_risk({"equity": D(1)}, many, "1")
    other = drawdown_at_risk({"equity": D(1)}, many, "2")
    assert (one.low, one.high) != (other.low, other.high)
    assert one.expected == other.expected


def test_cash_and_what_an_episode_does_not_name_stand_still() -> None:
    assert drawdown_at_risk({"cash": D(1)}, EPISODES, "s").worst == 0


def test_one_episode_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="two episodes"):
        drawdown_at_risk({"equity": D(1)}, EPISODES[:1], "s")


def test_draws_are_even_and_percentiles_are_nearest_ranks() -> None:
    seen = list(islice(draws("s", 5), 5000))
    assert set(seen) == set(range(5))
    assert all(900 < seen.count(n) < 1100 for n in range(5))
    ordered = [D(n) for n in range(1, 21)]
    assert [percentile(ordered, p) for p in (0, 5, 50, 95, 100)] == [1, 1, 10, 19, 20]

"""Ordinary least squares in exact arithmetic.

Float linear algebra gives different last digits on different processors, and a golden compares bytes. Everything
here is a rational number until the end: moments are sums of products, the normal equations are solved by Gaussian
elimination over fractions, and only the result is rounded. For the few factors a portfolio is explained by (at most
six) and some thousand days that takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from operator import mul

from app.core.money import quantize

MAX_FACTORS = 6
# Shifting the point must not round, whatever the number of digits.
WIDE = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Moments:
    """All that least squares needs to know of the data.

    `names` are the factors; with z = (factors..., y), `sums[i]` is sum(z_i) and `products[i][j]` sum(z_i z_j).
    """

    names: tuple[str, ...]
    count: int
    sums: tuple[Fraction, ...]
    products: tuple[tuple[Fraction, ...], ...]

    @classmethod
    def of(cls, returns: Sequence[Decimal], factors: Mapping[str, Sequence[Decimal]]) -> Moments:
        """From series of equal length; raises ValueError if they are not, or if there are too many factors."""
        if not 1 <= len(factors) <= MAX_FACTORS:
            raise ValueError(f"between 1 and {MAX_FACTORS} factors are allowed, not {len(factors)}")
        series = [*factors.values(), returns]
        if any(len(one) != len(returns) for one in series):
            raise ValueError("all series need the same number of observations")
        # As whole numbers of the smallest place anywhere: sums of products of integers are exact, and fast.
        places = max((_places(v) for one in series for v in one), default=0)
        columns = [[int(v.scaleb(places, WIDE)) for v in one] for one in series]
        unit = 10**places
        products = tuple(tuple(Fraction(sum(map(mul, x, y)), unit * unit) for y in columns) for x in columns)
        return cls(tuple(factors), len(returns), tuple(Fraction(sum(c), unit) for c in columns), products)

    def covariance(self, i: int, j: int) -> Fraction:
        """Centred sum of products: n times the population covariance."""
        return self.products[i][j] - self.sums[i] * self.sums[j] / self.count


@dataclass(frozen=True, slots=True)
class Fit:
    """y = alpha + sum(beta f) + e. `variance_share` splits the variance: one share per factor, and `residual`."""

    observations: int
    alpha: Decimal
    betas: dict[str, Decimal]
    r_squared: Decimal
    variance_share: dict[str, Decimal]
    residual: Decimal


def fit(moments: Moments) -> Fit:
    """Least squares with an intercept, 8 decimals.

    Variance shares are Euler's split beta_i cov(f_i, y) / var(y); with the residual they add to one. Raises
    ValueError for too few observations, for factors that explain each other, and where y never moves.
    """
    size = len(moments.names)
    if moments.count < size + 2:
        raise ValueError(f"{size} factors need at least {size + 2} observations, not {moments.count}")
    variance = moments.covariance(size, size)
    if variance == 0:
        raise ValueError("the returns never move, so there is nothing to explain")
    target = [moments.covariance(i, size) for i in range(size)]
    betas = solve([[moments.covariance(i, j) for j in range(size)] for i in range(size)], target)
    alpha = (
        moments.sums[size] - sum((b * s for b, s in zip(betas, moments.sums, strict=False)), Fraction(0))
    ) / moments.count
    shares = [b * c / variance for b, c in zip(betas, target, strict=True)]
    explained = sum(shares, Fraction(0))
    return Fit(
        moments.count,
        decimal(alpha),
        {name: decimal(b) for name, b in zip(moments.names, betas, strict=True)},
        decimal(explained),
        {name: decimal(s) for name, s in zip(moments.names, shares, strict=True)},
        decimal(1 - explained),
    )


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a number")
    return max(0, -exponent)


def solve(matrix: Sequence[Sequence[Fraction]], target: Sequence[Fraction]) -> list[Fraction]:
    """The x of matrix x = target by Gauss-Jordan elimination; raises ValueError when the matrix is singular."""
    rows = [[*row, value] for row, value in zip(matrix, target, strict=True)]
    for column in range(len(rows)):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column] != 0), None)
        if pivot is None:
            raise ValueError("the factors explain each other: leave one out")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [value / head for value in rows[column]]
        for other, row in enumerate(rows):
            if other != column and row[column] != 0:
                rows[other] = [a - row[column] * b for a, b in zip(row, rows[column], strict=True)]
    return [row[-1] for row in rows]


def decimal(value: Fraction) -> Decimal:
    """Rounded half-even to 8 decimals, from the exact value."""
    return quantize(Decimal(round(value * 10**8)).scaleb(-8))

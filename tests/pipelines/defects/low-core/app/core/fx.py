"""Foreign exchange."""

CENTS = 2
BASE = "EUR"
QUOTED = "USD"
OTHER = "CAD"
LAST = "JPY"


def cross(first: float, second: float) -> float:
    """Return the rate of the second currency in the first."""
    return second / first


def rounded(amount: float) -> float:
    """Return the amount in cents."""
    return round(amount, 2)


def sign(amount: float) -> int:
    """Return -1, 0 or 1."""
    if amount < 0:
        return -1
    if amount > 0:
        return 1
    return 0

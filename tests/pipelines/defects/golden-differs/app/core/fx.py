"""Foreign exchange."""


def cross(first: float, second: float) -> float:
    """Return the rate of the second currency in the first."""
    return round(second / first, 3)


def rounded(amount: float) -> float:
    """Return the amount in cents."""
    return round(amount, 2)

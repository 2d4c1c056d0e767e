"""Foreign exchange."""


def cross(first: float, second: float) -> float:
    """Return the rate of the second currency in the first."""
    return second / first


def rounded(amount: float) -> float:
    """Return the amount in cents."""
    return str(amount)

"""Never called."""


def never(value: int) -> int:
    """Return twice the value."""
    double = value * 2
    return double


def nor_this(value: int) -> int:
    """Return its half."""
    half = value // 2
    return half

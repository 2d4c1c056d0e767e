"""Decimal arithmetic with one precision and one rounding rule, and the 1 bp comparison every gate uses.

A single explicit context is passed around instead of changing the thread's default: a library that alters the global
context (or a test that does) cannot change a valuation.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)
ONE_BASIS_POINT = Decimal("0.0001")
VALUE_PLACES = Decimal("1e-8")
CURRENCIES = ("AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "USD")


def multiply(*factors: Decimal) -> Decimal:
    """The product of all factors, rounded once per step to 28 digits."""
    product = Decimal(1)
    for factor in factors:
        product = CONTEXT.multiply(product, factor)
    return product


def divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """The quotient to 28 digits."""
    return CONTEXT.divide(numerator, denominator)


def quantize(value: Decimal, places: Decimal = VALUE_PLACES) -> Decimal:
    """Round half-even to `places` (8 decimals for values shown or stored), or to 28 digits if that is coarser.

    A huge value (above 10^20 with 8 decimals) has no room for all decimals; Decimal.quantize would raise.
    """
    if value.adjusted() - places.adjusted() >= CONTEXT.prec - 1:
        return CONTEXT.plus(value)
    return value.quantize(places, context=CONTEXT)


def significant(value: Decimal, digits: int) -> Decimal:
    """Round to significant digits: a rate such as 0.0000067 keeps its precision where fixed decimals would lose it."""
    return Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(value)


def plain(value: Decimal) -> str:
    """The one spelling of a number: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def relative_difference(left: Decimal, right: Decimal) -> Decimal:
    """|left - right| / max(|left|, |right|); zero against zero is no difference."""
    scale = max(abs(left), abs(right))
    if scale == 0:
        return Decimal(0)
    return divide(abs(CONTEXT.subtract(left, right)), scale)


def within_one_bp(left: Decimal, right: Decimal) -> bool:
    """True when the two agree to one basis point of the larger one."""
    return relative_difference(left, right) <= ONE_BASIS_POINT

"""Reads a Beancount journal with `beancount-parser` (MIT). Beancount itself is GPL and only an oracle of the tests."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, cast

from beancount_parser.parser import make_parser  # type: ignore[import-untyped]  # no stubs exist
from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from app.core.errors import JournalError
from app.core.inventory import Cost, Directive, Posting

# The directives that the service writes. Any other (an include, a pad, a balance) is from another program.
OURS = frozenset({"open", "txn", "option"})


@cache
def _parser() -> Lark:
    return cast("Lark", make_parser())


def read_journal(text: str) -> list[Directive]:
    """The transactions of a journal in the order of the file; raises JournalError with the line for all else."""
    try:
        tree = _parser().parse(text)
    except LarkError as error:
        line = getattr(error, "line", "?")
        raise JournalError(f"line {line}: not Beancount: {type(error).__name__}") from error
    found: list[dict[str, Any]] = []
    for statement in tree.children:
        if isinstance(statement, Tree) and isinstance(statement.children[0], Tree):
            _statement(statement.children[0], found)
    return [Directive(d["line"], d["day"], d["meta"], tuple(d["postings"])) for d in found]


def _statement(node: Tree[Token], found: list[dict[str, Any]]) -> None:
    line = node.meta.line
    try:
        if node.data in ("date_directive", "simple_directive"):
            directive = node.children[0]
            if not isinstance(directive, Tree) or directive.data not in OURS:
                raise JournalError(f"line {line}: not a directive of this service")
            if directive.data == "txn":
                day = date.fromisoformat(str(directive.children[0]))
                found.append({"line": line, "day": day, "meta": {}, "postings": []})
        elif node.data == "metadata_item":
            key, value = node.children
            found[-1]["meta"][str(key)] = _text(value)
        elif node.data == "posting":
            found[-1]["postings"].append(_posting(node.children[0]))
    except (InvalidOperation, ValueError, IndexError, TypeError) as error:
        raise JournalError(f"line {line}: not readable: {type(error).__name__}") from error


def _text(value: Any) -> str:
    if isinstance(value, Tree):
        return str(_number(value))
    return str(json.loads(value)) if value.type == "ESCAPED_STRING" else str(value)


def _posting(node: Any) -> Posting:
    if node.data == "simple_posting":
        return Posting(str(node.children[-1]))
    _, account, amount, cost, _ = node.children
    number, currency = _amount(amount)
    return Posting(str(account), number, currency, None if cost is None else _cost(cost))


def _amount(node: Any) -> tuple[Decimal, str]:
    number, currency = node.children
    return _number(number), str(currency)


def _number(node: Any) -> Decimal:
    """A number with a sign at most: we write no sums, so a sum is not ours."""
    *signs, digits = list(node.scan_values(lambda value: isinstance(value, Token)))
    if any(sign != "-" for sign in signs) or len(signs) > 1:
        raise ValueError("an expression")
    value = Decimal(str(digits).replace(",", ""))
    return -value if signs else value


def _cost(node: Any) -> Cost:
    if node.data != "cost_spec":
        raise ValueError("a total cost")
    parts: dict[str, Any] = {}
    for item in node.children:
        value = item.children[0]
        if isinstance(value, Tree):
            parts["number"], parts["currency"] = _amount(value)
        elif value.type == "DATE":
            parts["day"] = date.fromisoformat(str(value))
        else:
            parts["label"] = str(json.loads(value))
    return Cost(**parts)

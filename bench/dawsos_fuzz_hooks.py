"""Loaded by Schemathesis: half of the requests are about a portfolio and a security that exist, or all would be 404.

Which half depends on the request alone, so a seed repeats a run.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

import schemathesis

PORTFOLIO = os.environ.get("FUZZ_PORTFOLIO", "")


def _chosen(value: Any) -> bool:
    return hashlib.sha256(repr(value).encode(errors="replace")).digest()[0] % 2 == 0


@schemathesis.hook
def map_path_parameters(_context: Any, parameters: Any) -> Any:
    """The demo portfolio in paths."""
    if isinstance(parameters, dict) and "portfolio_id" in parameters and _chosen(parameters):
        return {**parameters, "portfolio_id": PORTFOLIO}
    return parameters


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """The demo portfolio and a security it holds in bodies."""
    if not isinstance(body, dict) or "portfolio_id" not in body or not _chosen(body):
        return body
    known = {"portfolio_id": PORTFOLIO, "symbol": "AAPL"}
    return {key: known.get(key, value) for key, value in body.items()}

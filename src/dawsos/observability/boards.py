"""The queries of dashboards, asked at Prometheus: each must have data."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dawsos.model.events import CheckResult
from dawsos.observability.answers import Series, Unusable
from dawsos.observability.asking import Asking, some
from dawsos.observability.dashboards import Dashboard, Query, Unreadable, Values, read
from dawsos.observability.metrics import query

NAME = "dashboards"
# Prometheus answers so to an expression that is wrong, or that cannot be worked out.
_EXPRESSION_AT_FAULT = (400, 422)
_NO_SERIES, _NO_NUMBER = "no series", "no number"


async def check(asking: Asking) -> CheckResult:
    """Return whether each query of each dashboard has data, with the dashboards' variables replaced.

    A query may have none where its panel says what that means, as "nothing waits"; it is counted apart, and no dashboard may
    consist of such.
    """
    limit = "each query has data, or its panel says why not"
    if not asking.question.dashboards:
        return asking.not_checked(NAME, "dashboards, and exports.grafana", limit)
    if asking.settings.prometheus is None:
        return asking.not_checked(NAME, "prometheus", limit)
    try:
        found = [_read(path, text) for path, text in asking.question.dashboards.items()]
    except Unreadable as error:
        return CheckResult(NAME, "error", str(error), limit)
    done: set[Query] = set()

    async def look() -> tuple[bool, str]:
        queries = [one for board in found for one in board.queries(await _values(asking, board))]
        lacks = {one: lack for one, lack in (await _lacks(asking, queries, done)).items() if lack}
        done.update(set(queries) - lacks.keys())
        # Whatever a panel says of no data, it does not say that the query cannot be asked.
        explained = {one for one, lack in lacks.items() if one.optional and lack in (_NO_SERIES, _NO_NUMBER)}
        missing = {one: lack for one, lack in lacks.items() if one not in explained}
        told = {one.dashboard for one in queries if one not in explained}
        empty = [board.title for board in found if board.title not in told]
        said = _Said(queries, lacks, missing, empty, sum(board.foreign for board in found))
        return not missing and not empty, said.text()

    return await asking.until(NAME, limit, look)


def _read(path: str, text: str | None) -> Dashboard:
    if text is None:
        raise Unreadable(f"there is no file {path}")
    try:
        return read(text)
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from error


async def _values(asking: Asking, board: Dashboard) -> Values:
    """Return the value of each variable: the environment that is verified, what Prometheus knows, or what was exported."""
    known = {"environment": asking.serving.environment}
    values: dict[str, str] = {**board.values, **known}
    for lookup in board.lookups:
        if lookup.name not in known:
            expression = lookup.expression(values)
            labels = [] if expression is None else [one.labels for one in await query(asking, expression)]
            values |= lookup.chosen([one[lookup.label] for one in labels if one.get(lookup.label)])
    return values


async def _lacks(asking: Asking, queries: Sequence[Query], done: set[Query]) -> Mapping[Query, str]:
    """Return what each query lacks that had no data before, an empty text for one that has data now."""
    asked = [one for one in dict.fromkeys(queries) if one not in done]
    return dict(zip(asked, await asyncio.gather(*(_lack(asking, one) for one in asked)), strict=True))


async def _lack(asking: Asking, one: Query) -> str:
    if one.unknown:
        return f"no value for ${', $'.join(one.unknown)}"
    try:
        return _of(await query(asking, one.expression))
    except Unusable as error:
        if error.status in _EXPRESSION_AT_FAULT:
            return error.reason
        raise


def _of(found: Sequence[Series]) -> str:
    if not found:
        return _NO_SERIES
    return "" if any(math.isfinite(one.value) for one in found) else _NO_NUMBER


@dataclass(frozen=True)
class _Said:
    """What was seen of all queries: those that lack data, those of them that must not, dashboards without any data."""

    queries: Sequence[Query]
    lacks: Mapping[Query, str]
    missing: Mapping[Query, str]
    empty: Sequence[str]
    foreign: int

    def text(self) -> str:
        """Return ``34 of 36 queries with data; 2 without, as their panels explain``."""
        amount = sum(one not in self.lacks for one in self.queries)
        explained = sum(one in self.lacks and one not in self.missing for one in self.queries)
        wrong = [f"{one.dashboard}, {one.panel}: {lack}" for one, lack in self.missing.items()]
        wrong += [f"{title}: no query has data" for title in self.empty]
        parts = [
            f"{amount} of {len(self.queries)} queries with data",
            f"{explained} without, as their panels explain" if explained else "",
            some(wrong),
            f"{self.foreign} for other data sources not checked" if self.foreign else "",
        ]
        return "; ".join(part for part in parts if part)

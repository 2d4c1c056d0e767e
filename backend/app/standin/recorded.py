"""The recorded data over HTTP: Polygon, FMP and FRED in their own forms, switches to break them, and two inboxes.

`POST /faults {"provider": "polygon", "mode": "down" | "timeout" | "ok"}` makes a provider fail as it might in earnest.
`GET /mail` and `GET /traces/{id}` show what the mail server and the collector received.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MACRO = Path(__file__).parent / "macro.json"
RECORDED = {"X-Recorded-Data": "true"}
# Longer than any caller waits, and no longer than a test run.
NEVER_SECONDS = 60.0
KEPT_MAILS, KEPT_TRACES = 200, 1000
Reply = Callable[[Request], Response]
Page = Callable[[Request], Awaitable[Response]]
MODES = ("ok", "down", "timeout")
CLOSE_OF_TRADING = time(21, 0, tzinfo=UTC)
# Volumes and statements are illustrative, as the closes are.
VOLUME = 1_000_000


@dataclass
class Inbox:
    """What arrived: mails, and spans by trace."""

    mails: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=KEPT_MAILS))
    traces: OrderedDict[str, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    modes: dict[str, str] = field(default_factory=dict)

    def add_spans(self, document: dict[str, Any]) -> None:
        """Take an OTLP/JSON export apart."""
        for resource in document.get("resourceSpans", []):
            attributes = _attributes(resource.get("resource", {}))
            for scope in resource.get("scopeSpans", []):
                for span in scope.get("spans", []):
                    self._add(span, attributes.get("service.name", ""))

    def _add(self, span: dict[str, Any], service: str) -> None:
        trace_id = str(span["traceId"])
        if trace_id not in self.traces and len(self.traces) >= KEPT_TRACES:
            self.traces.popitem(last=False)
        known = {
            "service": service,
            "name": span["name"],
            "span": span["spanId"],
            "parent": span.get("parentSpanId", ""),
        }
        self.traces.setdefault(trace_id, []).append(known | {"attributes": _attributes(span)})


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: next(iter(a["value"].values()), None) for a in holder.get("attributes", [])}


@dataclass(frozen=True)
class Tape:
    """The recorded closes by symbol: the newest, and its day."""

    closes: dict[str, tuple[Decimal, datetime]]
    macro: dict[str, list[list[str]]]

    @classmethod
    def load(cls, market_data: Path) -> Tape:
        """Read the fixture."""
        observations = sorted(json.loads(market_data.read_text())["observations"], key=lambda o: str(o["date"]))
        closes: dict[str, tuple[Decimal, datetime]] = {}
        for observation in observations:
            at = datetime.combine(datetime.fromisoformat(observation["date"]).date(), CLOSE_OF_TRADING)
            closes |= {symbol: (Decimal(close), at) for symbol, close in observation["closes"].items()}
        return cls(closes, json.loads(MACRO.read_text())["series"])


class Recorded:
    """The pages. Each provider can be switched off, which the tests of the service's patience do."""

    def __init__(self, tape: Tape, inbox: Inbox) -> None:
        self._tape = tape
        self._inbox = inbox

    def behind(self, provider: str, reply: Reply) -> Page:
        """A page of one provider, subject to its switch."""

        async def endpoint(request: Request) -> Response:
            mode = self._inbox.modes.get(provider, "ok")
            if mode == "timeout":
                await asyncio.sleep(NEVER_SECONDS)
            if mode != "ok":
                return JSONResponse({"error": "switched off"}, 503, RECORDED)
            return reply(request)

        return endpoint

    def polygon(self, request: Request) -> Response:
        """The last daily bar. As the real one, it knows listings of the United States only: those without a suffix."""
        symbol = request.path_params["symbol"]
        if symbol not in self._tape.closes or "." in symbol:
            return JSONResponse({"status": "NOT_FOUND"}, 404, RECORDED)
        close, at = self._tape.closes[symbol]
        bar = {"T": symbol, "c": float(close), "v": VOLUME, "t": int(at.timestamp() * 1000)}
        return JSONResponse({"ticker": symbol, "status": "OK", "results": [bar]}, headers=RECORDED)

    def fmp_quote(self, request: Request) -> Response:
        """The last price."""
        symbol = request.path_params["symbol"]
        if symbol not in self._tape.closes:
            return JSONResponse([], 404, RECORDED)
        close, at = self._tape.closes[symbol]
        row = {"symbol": symbol, "price": float(close), "volume": VOLUME, "timestamp": int(at.timestamp())}
        return JSONResponse([row], headers=RECORDED)

    def fmp_statements(self, request: Request) -> Response:
        """Three illustrative years."""
        if request.path_params["symbol"] not in self._tape.closes:
            return JSONResponse([], 404, RECORDED)
        years = [{"calendarYear": str(y), "revenue": 1000 + y, "netIncome": 100 + y} for y in (2021, 2022, 2023)]
        return JSONResponse(years, headers=RECORDED)

    def fred(self, request: Request) -> Response:
        """A series."""
        rows = self._tape.macro.get(request.query_params.get("series_id", ""))
        if rows is None:
            return JSONResponse({"error_message": "no such series"}, 404, RECORDED)
        return JSONResponse({"observations": [{"date": d, "value": v} for d, v in rows]}, headers=RECORDED)

    async def faults(self, request: Request) -> Response:
        """Set a provider's switch."""
        wanted = await request.json()
        if wanted.get("mode") not in MODES or not isinstance(wanted.get("provider"), str):
            return JSONResponse({"error": f"provider and mode ({', '.join(MODES)}) are needed"}, 422)
        self._inbox.modes[wanted["provider"]] = wanted["mode"]
        return JSONResponse(self._inbox.modes)

    async def collect(self, request: Request) -> Response:
        """Take an OTLP export in."""
        self._inbox.add_spans(await request.json())
        return JSONResponse({})


def create_standin(market_data: Path, inbox: Inbox) -> Starlette:
    """The application."""
    pages = Recorded(Tape.load(market_data), inbox)
    return Starlette(
        routes=[
            Route("/health", lambda _: JSONResponse({"status": "healthy", "data": "recorded"})),
            Route("/polygon/v2/aggs/ticker/{symbol}/prev", pages.behind("polygon", pages.polygon)),
            Route("/fmp/api/v3/quote/{symbol}", pages.behind("fmp", pages.fmp_quote)),
            Route("/fmp/api/v3/income-statement/{symbol}", pages.behind("fmp", pages.fmp_statements)),
            Route("/fred/fred/series/observations", pages.behind("fred", pages.fred)),
            Route("/faults", pages.faults, methods=["POST"]),
            Route("/mail", lambda _: JSONResponse(list(inbox.mails))),
            Route("/v1/traces", pages.collect, methods=["POST"]),
            Route("/traces/{trace_id}", lambda r: JSONResponse(inbox.traces.get(r.path_params["trace_id"], []))),
        ]
    )

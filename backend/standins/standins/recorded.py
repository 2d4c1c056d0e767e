"""The HTTP pages: Polygon, FMP and FRED in their own formats, a trace collector, and the control of faults.

`POST /faults {"provider": "polygon", "mode": "down" | "timeout" | "ok"}` makes a provider fail: with a 503, or without
an answer. `GET /mail` and `GET /traces/{id}` return what the mail server and the collector have received,
`GET /api/traces/{id}` as Jaeger does. `POST /hooks/{name}` is a webhook receiver, and `GET /hooks/{name}` what it took.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DATA = Path(__file__).parent / "recorded.json"
RECORDED = {"X-Recorded-Data": "true"}
# A provider in the mode `timeout` answers after this time: later than any client waits, sooner than a test run ends.
TIMEOUT_SECONDS = 60.0
MAX_MAILS, MAX_TRACES, MAX_HOOKS = 200, 1000, 200
# Of one receiver: the messages that it keeps, the oldest dropped first.
MAX_MESSAGES = 100
Reply = Callable[[Request], Response]
Page = Callable[[Request], Awaitable[Response]]
MODES = ("ok", "down", "timeout")
CLOSE_OF_TRADING = time(21, 0, tzinfo=UTC)
# Volumes and statements are illustrative, as the closes are.
VOLUME = 1_000_000


@dataclass
class Inbox:
    """The mails, spans and webhooks received, oldest dropped first, and the mode of each provider."""

    mails: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=MAX_MAILS))
    traces: OrderedDict[str, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    hooks: OrderedDict[str, deque[dict[str, Any]]] = field(default_factory=OrderedDict)
    modes: dict[str, str] = field(default_factory=dict)

    def add_message(self, name: str, headers: dict[str, str], body: bytes) -> None:
        """Add what the webhook receiver `name` was sent."""
        if name not in self.hooks and len(self.hooks) >= MAX_HOOKS:
            self.hooks.popitem(last=False)
        message = {"headers": headers, "body": base64.b64encode(body).decode()}
        self.hooks.setdefault(name, deque(maxlen=MAX_MESSAGES)).append(message)

    def add_spans(self, document: dict[str, Any]) -> None:
        """Add the spans of an OTLP/JSON export."""
        for resource in document.get("resourceSpans", []):
            attributes = _attributes(resource.get("resource", {}))
            for scope in resource.get("scopeSpans", []):
                for span in scope.get("spans", []):
                    self._add(span, attributes)

    def _add(self, span: dict[str, Any], resource: dict[str, Any]) -> None:
        trace_id = str(span["traceId"])
        if trace_id not in self.traces and len(self.traces) >= MAX_TRACES:
            self.traces.popitem(last=False)
        known = {
            "service": resource.get("service.name", ""),
            "version": resource.get("service.version", ""),
            "name": span["name"],
            "span": span["spanId"],
            "parent": span.get("parentSpanId", ""),
        }
        self.traces.setdefault(trace_id, []).append(known | {"attributes": _attributes(span)})


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: next(iter(a["value"].values()), None) for a in holder.get("attributes", [])}


@dataclass(frozen=True)
class Recording:
    """Closes by symbol at the time `at`, and the observations (date, value) of each macroeconomic series."""

    at: datetime
    closes: dict[str, Decimal]
    series: dict[str, list[list[str]]]

    @classmethod
    def load(cls) -> Recording:
        """Read `recorded.json`."""
        raw = json.loads(DATA.read_text(encoding="utf-8"))
        at = datetime.combine(date.fromisoformat(raw["date"]), CLOSE_OF_TRADING)
        return cls(at, {symbol: Decimal(close) for symbol, close in raw["closes"].items()}, raw["series"])


class Pages:
    """The handlers of all pages."""

    def __init__(self, recording: Recording, inbox: Inbox) -> None:
        self._recording = recording
        self._inbox = inbox

    def of_provider(self, provider: str, reply: Reply) -> Page:
        """A page of one provider, which fails as the provider's mode says."""

        async def endpoint(request: Request) -> Response:
            mode = self._inbox.modes.get(provider, "ok")
            if mode == "timeout":
                await asyncio.sleep(TIMEOUT_SECONDS)
            if mode != "ok":
                return JSONResponse({"error": "switched off"}, 503, RECORDED)
            return reply(request)

        return endpoint

    def polygon(self, request: Request) -> Response:
        """The last daily bar. As Polygon itself, it has listings of the United States only: those without a suffix."""
        symbol = request.path_params["symbol"]
        if symbol not in self._recording.closes or "." in symbol:
            return JSONResponse({"status": "NOT_FOUND"}, 404, RECORDED)
        milliseconds = int(self._recording.at.timestamp() * 1000)
        bar = {"T": symbol, "c": float(self._recording.closes[symbol]), "v": VOLUME, "t": milliseconds}
        return JSONResponse({"ticker": symbol, "status": "OK", "results": [bar]}, headers=RECORDED)

    def fmp_quote(self, request: Request) -> Response:
        """The last price."""
        symbol = request.path_params["symbol"]
        if symbol not in self._recording.closes:
            return JSONResponse([], 404, RECORDED)
        seconds = int(self._recording.at.timestamp())
        row = {
            "symbol": symbol,
            "price": float(self._recording.closes[symbol]),
            "volume": VOLUME,
            "timestamp": seconds,
        }
        return JSONResponse([row], headers=RECORDED)

    def fmp_statements(self, request: Request) -> Response:
        """Three illustrative years."""
        if request.path_params["symbol"] not in self._recording.closes:
            return JSONResponse([], 404, RECORDED)
        years = [{"calendarYear": str(y), "revenue": 1000 + y, "netIncome": 100 + y} for y in (2021, 2022, 2023)]
        return JSONResponse(years, headers=RECORDED)

    def fred(self, request: Request) -> Response:
        """The observations of a series."""
        rows = self._recording.series.get(request.query_params.get("series_id", ""))
        if rows is None:
            return JSONResponse({"error_message": "no such series"}, 404, RECORDED)
        return JSONResponse({"observations": [{"date": d, "value": v} for d, v in rows]}, headers=RECORDED)

    async def faults(self, request: Request) -> Response:
        """Set the mode of a provider."""
        wanted = await request.json()
        if wanted.get("mode") not in MODES or not isinstance(wanted.get("provider"), str):
            return JSONResponse({"error": f"provider and mode ({', '.join(MODES)}) are needed"}, 422)
        self._inbox.modes[wanted["provider"]] = wanted["mode"]
        return JSONResponse(self._inbox.modes)

    def jaeger_trace(self, request: Request) -> Response:
        """A trace as Jaeger's query API gives it: each span with the process that sent it."""
        trace_id = request.path_params["trace_id"]
        kept = self._inbox.traces.get(trace_id)
        if kept is None:
            return JSONResponse({"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}, 404)
        spans, processes = [], {}
        for number, span in enumerate(kept, 1):
            process = f"p{number}"
            tags = [{"key": "service.version", "type": "string", "value": span["version"]}]
            processes[process] = {"serviceName": span["service"], "tags": tags}
            named = {"traceID": trace_id, "spanID": span["span"], "operationName": span["name"]}
            spans.append(named | {"processID": process})
        return JSONResponse({"data": [{"traceID": trace_id, "spans": spans, "processes": processes}], "errors": None})

    async def collect(self, request: Request) -> Response:
        """Accept an OTLP export."""
        self._inbox.add_spans(await request.json())
        return JSONResponse({})

    async def hook(self, request: Request) -> Response:
        """Take a webhook's message; its body is kept byte by byte, because it is signed."""
        self._inbox.add_message(request.path_params["name"], dict(request.headers), await request.body())
        return JSONResponse({})

    def hooked(self, request: Request) -> Response:
        """What a receiver has taken: the headers in lower case and the body in base64 of each message."""
        return JSONResponse(list(self._inbox.hooks.get(request.path_params["name"], ())))


def create_app(recording: Recording, inbox: Inbox) -> Starlette:
    """The ASGI application over a recording and an inbox."""
    pages = Pages(recording, inbox)
    return Starlette(
        routes=[
            Route("/health", lambda _: JSONResponse({"status": "healthy", "data": "recorded"})),
            Route("/polygon/v2/aggs/ticker/{symbol}/prev", pages.of_provider("polygon", pages.polygon)),
            Route("/fmp/api/v3/quote/{symbol}", pages.of_provider("fmp", pages.fmp_quote)),
            Route("/fmp/api/v3/income-statement/{symbol}", pages.of_provider("fmp", pages.fmp_statements)),
            Route("/fred/fred/series/observations", pages.of_provider("fred", pages.fred)),
            Route("/faults", pages.faults, methods=["POST"]),
            Route("/mail", lambda _: JSONResponse(list(inbox.mails))),
            Route("/hooks/{name}", pages.hook, methods=["POST"]),
            Route("/hooks/{name}", pages.hooked),
            Route("/v1/traces", pages.collect, methods=["POST"]),
            Route("/api/traces/{trace_id}", pages.jaeger_trace),
            Route("/traces/{trace_id}", lambda r: JSONResponse(inbox.traces.get(r.path_params["trace_id"], []))),
        ]
    )

"""JSON bodies whose numbers with a decimal point are read as Decimal, not as float.

Clients should send amounts as strings, because most libraries round JSON numbers. A client that sends a number gets
exactly that number: 123456789012345678.12 does not become 123456789012345680.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class DecimalJsonRequest(Request):
    """A request that reads its JSON without rounding."""

    async def json(self) -> Any:
        """The body; raises as its base class does."""
        return json.loads(await self.body(), parse_float=Decimal)


class DecimalJsonRoute(APIRoute):
    """A route of such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, which gets a DecimalJsonRequest."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handle(DecimalJsonRequest(request.scope, request.receive))

        return exact

"""Numbers of a request as they were written: a JSON number with a point is a decimal here and never a float.

Amounts ought to be strings, and most libraries can send them as nothing else without rounding. Who sends a number all
the same gets the number he sent: 123456789012345678.12 is not 123456789012345680.
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
        """The route's own handler, given the other kind of request."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            return await handle(DecimalJsonRequest(request.scope, request.receive))

        return exact

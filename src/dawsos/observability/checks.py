"""What ``dawsos verify`` checks beside the service itself: metrics, a trace, alerts and dashboards, at the same time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from dawsos.model.events import CheckResult
from dawsos.model.observability import Observability, ObservabilityServer
from dawsos.observability import alerts, boards, metrics, traces
from dawsos.observability.asking import Asking, Question, Serving
from dawsos.observability.server import Server


async def observe(serving: Serving, settings: Observability, question: Question) -> list[CheckResult]:
    """Return the four checks of what serves; takes ``settings.within`` at most, and the last request's time."""
    async with AsyncExitStack() as stack:
        servers = {
            "service": Server(serving.url),
            **{key: _server(one, question) for key, one in settings.servers().items()},
        }
        for server in servers.values():
            stack.push_async_callback(server.close)
        asking = Asking(serving, settings, question, servers)
        return list(await asyncio.gather(*(part.check(asking) for part in (metrics, traces, alerts, boards))))


def _server(server: ObservabilityServer, question: Question) -> Server:
    url = server.url
    for variable, value in question.variables.items():
        # Ports only: other variables of an environment may be secrets.
        if variable.endswith("_PORT"):
            url = url.replace(f"{{{variable}}}", value)
    return Server(url, question.tokens.get(server.token or "", ""))

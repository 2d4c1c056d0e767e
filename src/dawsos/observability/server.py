"""One server that observes an environment, asked over HTTP: with its token, within bounds, and never another server."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.model.json import Json
from dawsos.observability.answers import Unusable, document

# A request's time in seconds; how many are open at once; how much of an answer is read.
_TIMEOUT = 10.0
_CONNECTIONS = 4
_LARGEST = 16_000_000


class Server:
    """Asks the server at ``url``.  The token goes to that server only: no redirect is followed."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._client = HttpClient(url, timeout=_TIMEOUT, connections=_CONNECTIONS, largest=_LARGEST)
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """Return the JSON document of a page; raises Unusable."""
        try:
            answer = await self._client.request("GET", path, params=params, headers=self._headers)
            return document(answer.status, answer.headers, answer.text)
        except HttpError as error:
            raise self._unusable(error) from error
        except Unusable as error:
            raise Unusable(error.reason, status=error.status, final=error.final, server=self._url) from error

    async def send(self, path: str, headers: Mapping[str, str]) -> int:
        """Send a request whose answer does not matter and return its status; raises Unusable when there is none."""
        try:
            return (await self._client.request("GET", path, headers=headers)).status
        except HttpError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: HttpError) -> Unusable:
        # What there is to know of a server that cannot be reached is its address, which is said already.
        reason = error.kind if error.kind == "cannot connect" else str(error)
        return Unusable(reason, final=error.kind in ("too large", "invalid address"), server=self._url)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

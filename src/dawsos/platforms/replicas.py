"""A replica that answers at an address of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dawsos.adapters.http import HttpClient, Response

# A body that is longer is not read.
LARGEST = 8_000_000


@dataclass(frozen=True)
class HttpReplica:
    """Implements ``contract.Replica`` for ``http://host:port``."""

    url: str

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, within: float
    ) -> Response:
        # A connection that a server closes while it is not used would look like a request that got no answer.
        client = HttpClient(self.url, timeout=within, largest=LARGEST)
        try:
            return await client.request(method, path, headers={**headers, "Connection": "close"}, body=body)
        finally:
            await client.close()

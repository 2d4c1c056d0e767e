"""Asks a running service over HTTP."""

from __future__ import annotations

import time
from typing import Any

import httpx


async def get(url: str, *, token: str = "", timeout: float = 10.0) -> dict[str, Any]:
    """Return {url, status_code, body, seconds, headers, error}; never raises for what the service does."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    started = time.monotonic()
    answer: dict[str, Any] = {"url": url, "status_code": None, "body": None, "headers": {}, "error": ""}
    try:
        # The service is on loopback: a proxy of the caller's would be in the way.
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            response = await client.get(url, headers=headers)
        answer |= {"status_code": response.status_code, "headers": dict(response.headers), "body": _body(response)}
    except httpx.HTTPError as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    answer["seconds"] = time.monotonic() - started
    return answer


def _body(response: httpx.Response) -> Any:
    if "json" in response.headers.get("content-type", ""):
        try:
            return response.json()
        except ValueError:
            return response.text
    return response.text

"""A proxy in front of one server, whatever speaks toxiproxy's HTTP API: ours, or the one that TOXIPROXY_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import uuid4

import httpx

from tests.support.servers import free_port
from tests.support.toxics import serving_toxics

Mode = Literal["pass", "refuse", "blackhole"]
Streams = tuple[Literal["upstream", "downstream"], ...]
BOTH: Streams = ("upstream", "downstream")


class Proxy:
    """Forwards one port to one target until told otherwise."""

    def __init__(self, api: httpx.Client, target: tuple[str, int]) -> None:
        self._api = api
        self._name = f"p-{uuid4().hex[:12]}"
        self._toxics: list[str] = []
        self.port = free_port()
        body = {"name": self._name, "listen": f"127.0.0.1:{self.port}", "upstream": f"{target[0]}:{target[1]}"}
        self._ask("POST", "/proxies", body | {"enabled": True})

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        self._api.request(method, path, json=body).raise_for_status()

    def _enable(self, enabled: bool) -> None:
        self._ask("POST", f"/proxies/{self._name}", {"enabled": enabled})

    def set(self, mode: Mode) -> None:
        """`refuse` cuts open connections and takes no new ones; `blackhole` keeps all open and lets nothing through.

        Coming back cuts what a black hole held: what was swallowed is lost, as after a real partition.
        """
        if mode == "blackhole":
            self.add("timeout", BOTH, timeout=0)
            return
        self._enable(False)
        for name in self._toxics:
            self._ask("DELETE", f"/proxies/{self._name}/toxics/{name}")
        self._toxics = []
        if mode != "refuse":
            self._enable(True)

    def add(self, kind: str, streams: Streams = ("downstream",), **attributes: float) -> None:
        """Put a toxic on the wire; `set("pass")` takes all of them away."""
        for stream in streams:
            name = f"{kind}_{stream}"
            body = {"name": name, "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes}
            self._ask("POST", f"/proxies/{self._name}/toxics", body)
            self._toxics.append(name)

    def close(self) -> None:
        """Forget the proxy."""
        self._ask("DELETE", f"/proxies/{self._name}")


@contextmanager
def fault_api() -> Iterator[httpx.Client]:
    """The API: the server that TOXIPROXY_URL names, else ours."""
    named = os.environ.get("TOXIPROXY_URL")
    if named:
        with httpx.Client(base_url=named, timeout=10, headers={"User-Agent": "dawsos-tests"}) as client:
            yield client
        return
    with serving_toxics() as url, httpx.Client(base_url=url, timeout=10) as client:
        yield client


@contextmanager
def proxied(api: httpx.Client, target: tuple[str, int]) -> Iterator[Proxy]:
    """A running proxy in front of `target`."""
    proxy = Proxy(api, target)
    try:
        yield proxy
    finally:
        proxy.close()

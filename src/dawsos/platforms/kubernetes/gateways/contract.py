"""The contract of a kind of gateway: where its pods serve their statistics, and what they have counted of a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dawsos.platforms.readings import Reading


@dataclass(frozen=True)
class Backend:
    """A Service as one of the backends of a route; ``index`` is its place in a rule, None when the route does not name it.

    ``deployment`` is what it selects.
    """

    namespace: str
    service: str
    port: int
    route: str = ""
    index: int | None = None
    deployment: str | None = None


@dataclass(frozen=True)
class GatewayAdapter:
    """One kind of gateway.

    ``namespace``, ``selector``, ``port`` and ``path`` are those of a usual installation.  ``query(backends)`` are the parameters
    that keep the page small.  ``read(page, backend)`` is what one pod has counted of a backend, None when its page does not know
    the backend: it may be that the pod has not taken it over yet, or that it never had a request.
    ``unused_is_nothing``: the gateway shows a backend only after its first request, so that one it does not know has had none.
    ``of_the_release``: its pods are those of the release itself; each tells of its own requests only.
    ``blind`` says in a sentence what it cannot see; it is told to the person who ships.
    """

    namespace: str
    selector: Mapping[str, str]
    port: int
    path: str
    query: Callable[[tuple[Backend, ...]], Mapping[str, str]]
    read: Callable[[str, Backend], Reading | None]
    unused_is_nothing: bool = False
    of_the_release: bool = False
    blind: str = ""

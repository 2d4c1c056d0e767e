"""What the tool's own load sees, by version: evidence beside the proxy's counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dawsos.model.rollout import Client, ClientSide

Seen = Mapping[str, tuple[int, int]]


class ClientView:
    """Makes of a load's counts what happened since the last look; ``seen`` gives deployment -> (requests, failed ones)."""

    def __init__(self, seen: Callable[[], Seen], canary: str, stable: str) -> None:
        self._seen, self._canary, self._stable = seen, canary, stable
        self._before = dict(seen())

    def since(self) -> Client | None:
        """Return what ended since the last call; None as long as no answer told which deployment it came from."""
        now = dict(self._seen())
        before, self._before = self._before, now
        if not any(now):
            return None
        sides = {name: _difference(before.get(name, (0, 0)), counts) for name, counts in now.items()}
        nothing = ClientSide()
        # Another deployment than these two has a role no more: what it still answered is nobody's.
        return Client(sides.get(self._canary, nothing), sides.get(self._stable, nothing), sides.get("", nothing))


def _difference(before: tuple[int, int], after: tuple[int, int]) -> ClientSide:
    return ClientSide(after[0] - before[0], after[1] - before[1])

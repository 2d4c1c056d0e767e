"""The Protocols through which the core reaches the world; each has one shipped implementation and one fake in the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from dawsos.model.events import Event, Fact
from dawsos.model.process import Command, CommandOutcome, ProcessSpec
from dawsos.model.run import Run


class Clock(Protocol):
    """Time.  ``now`` is seconds since the epoch, ``monotonic`` never goes back, ``sleep`` waits in that time."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Recorder(Protocol):
    """Takes facts: an event is in the journal before ``record`` returns it, and on disk before anybody acts on it."""

    @property
    def state(self) -> Run:
        """The run as it stands after the last event that was recorded or read."""
        ...

    def record(self, fact: Fact, stage: str = "") -> Event: ...
    def refresh(self) -> Run:
        """Take in what others appended and return the state."""
        ...

    def since(self, seq: int) -> list[Event]: ...


class Runner(Protocol):
    """Runs one command to its end within its budget; its whole process tree is gone when this returns."""

    async def run(self, command: Command) -> CommandOutcome: ...


class Service(Protocol):
    """A backing service that can be made ready in a folder and then run as a process."""

    name: str

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        """Create what the service needs in ``folder`` (idempotent) and return its process and the variables its
        users need.  Raises InfrastructureError."""
        ...


class LoadGenerator(Protocol):
    """Sends a declared load until it is stopped."""

    @property
    def rate(self) -> float: ...
    @rate.setter
    def rate(self, rate: float) -> None:
        """Send ``rate`` requests a second from now on."""
        ...

    async def start(self) -> None:
        """Begin to send, and return when it does.  Raises InfrastructureError when it cannot."""
        ...

    def seen(self) -> Mapping[str, tuple[int, int]]:
        """Return deployment -> requests that it ended so far, and how many of them have no whole answer or one that is 5xx; under ""
        what no answer told the deployment of."""
        ...

    async def stop(self) -> dict[str, Any]:
        """End the load and return its counts as plain values."""
        ...


class Signer(Protocol):
    """Holds a private key; ``key_id`` names the public one, by which a ``Keyring`` knows it: the SHA-256 over ``public_key``, its
    SubjectPublicKeyInfo."""

    @property
    def key_id(self) -> str: ...
    @property
    def public_key(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


class Keyring(Protocol):
    """The public keys whose statements are believed."""

    def knows(self, key_id: str) -> bool: ...
    def verifies(self, key_id: str, signature: bytes, message: bytes) -> bool: ...


class Reporter(Protocol):
    """Gets every event after it was recorded; must not raise and must not call back."""

    def notice(self, event: Event) -> None: ...
    def suspend(self) -> None:
        """Leave the terminal to a question; the next event takes it back."""
        ...

    def close(self) -> None: ...


class Prompter(Protocol):
    """Asks a person on the terminal."""

    def interactive(self) -> bool:
        """Return whether there is a terminal to ask on."""
        ...

    async def ask(self, text: str, answered: Callable[[], bool]) -> str | None:
        """Show ``text`` and return the next line typed, None as soon as ``answered`` says that the answer came elsewhere."""
        ...

    def say(self, text: str) -> None: ...


class CleanStream(Protocol):
    """Cleans one text that comes in pieces of any length; ``end`` returns what was still held back."""

    def feed(self, piece: str) -> str: ...
    def end(self) -> str: ...


class Redactor(Protocol):
    """Replaces secret values in text by ``***``."""

    def add(self, values: Iterable[str]) -> None: ...
    def clean(self, text: str) -> str: ...
    def stream(self) -> CleanStream: ...

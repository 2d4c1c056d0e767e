"""Jobs of an environment in memory: each is a clone of the repository with a home and a key of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dawsos.errors import BadInput, InfrastructureError
from dawsos.platforms.contract import Handed, JobState


def key_pair() -> tuple[str, str]:
    """Return a private and a public key, as text."""
    key = Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@dataclass
class MemoryJobs:
    """Implements ``contract.RolloutJobs``.  ``work`` does what the pod does with what it was handed; without it the Job stays."""

    folder: Path
    missing: str = ""
    begins: bool = True
    handed: list[Handed] = field(default_factory=list)
    state: Literal["none", "active", "ended"] = "none"
    work: Callable[[Handed, Path], None] | None = None
    ended: list[str] = field(default_factory=list)
    pair: tuple[str, str] = field(default_factory=key_pair)

    async def check(self) -> str:
        if self.missing:
            raise BadInput(self.missing, fix="get it")
        return self.pair[1]

    async def start(self, handed: Handed) -> JobState:
        if not self.begins:
            raise InfrastructureError("the Job does not begin: ErrImagePull", fix="")
        self.handed.append(handed)
        self.state = "active"
        return await self.find(handed.run)

    async def find(self, run: str) -> JobState:
        return JobState() if self.state == "none" else JobState(f"job-{run}", self.state, f"kubectl logs -f job-{run}")

    async def follow(self, run: str) -> AsyncIterator[str]:
        yield f"the Job of {run} works"

    async def end(self, run: str) -> None:
        self.ended.append(run)
        self.state = "none"

    async def close(self) -> None: ...

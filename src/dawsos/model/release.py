"""A built release as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Release:
    """A built release.

    ``digest`` is the SHA-256 over its manifest, ``size`` the bytes on disk, ``interpreter`` the Python that runs it on this
    machine.
    """

    digest: str
    path: Path
    commit: str
    size: int
    python: str
    interpreter: str

    @property
    def site(self) -> Path:
        """The folder of its packages."""
        return self.path / "site"

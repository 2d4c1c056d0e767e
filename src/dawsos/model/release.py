"""A built release as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuiltImage:
    """A container image of a release: ``digest`` (``sha256:...``) is that of the manifest in ``layout``, a folder in OCI's layout.

    ``statement`` is the signed summary that its release passed the gates of where it is going, an empty text for none.
    """

    name: str
    digest: str
    layout: Path
    statement: str = ""


@dataclass(frozen=True)
class Release:
    """A built release.

    ``digest`` is the SHA-256 over its manifest, ``size`` the bytes on disk, ``interpreter`` the Python that runs it on this
    machine.  ``is_folder``: the project's own ``build`` made it, and both texts about Python are empty; ``programs`` are then the
    folders of this machine with the programs that it needs.  ``images`` are those that were built beside it, none where there was
    no builder.
    """

    digest: str
    path: Path
    commit: str
    size: int
    python: str
    interpreter: str
    images: tuple[BuiltImage, ...] = ()
    is_folder: bool = False
    programs: tuple[str, ...] = ()

    @property
    def site(self) -> Path:
        """The folder of the packages of a Python release."""
        return self.path / "site"

    @property
    def app(self) -> Path:
        """The folder that the project's own ``build`` made."""
        return self.path / "app"

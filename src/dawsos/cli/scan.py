"""Carries out ``dawsos scan``: what steps of a stage call to make evidence for the gates."""

from __future__ import annotations

from pathlib import Path


def secrets(*, folders: tuple[Path, ...], out: Path, since: str, commits: bool) -> None:
    """``dawsos scan secrets``."""
    from dawsos.verbs.scan import scan_secrets

    scan_secrets(Path.cwd(), out, since if commits else None, folders)


def advisories(*, out: Path, export: Path, resolved: Path, ecosystem: str) -> None:
    """``dawsos scan advisories``."""
    from dawsos.verbs.scan import scan_advisories

    scan_advisories(out, export, resolved, ecosystem)


def packages(*, source: Path, out: Path, name: str, version: str) -> None:
    """``dawsos scan packages``."""
    from dawsos.verbs.scan import scan_packages

    scan_packages(out, source, name, version)

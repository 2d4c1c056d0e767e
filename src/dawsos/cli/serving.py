"""Carries out the verbs that serve a cluster."""

from __future__ import annotations

from pathlib import Path

from dawsos.cli.output import print_text


def admission(*, keys: Path, tls: Path, environment: str, allowed: Path | None, listen: int, context: str) -> None:
    """``dawsos admission``."""
    from dawsos.adapters.pages import Endpoint
    from dawsos.verbs.admission import Request
    from dawsos.verbs.admission import admission as verb

    request = Request(
        keys, environment, allowed, Endpoint(port=listen, certificate=tls / "tls.crt", key=tls / "tls.key"), context
    )
    verb(request, lambda port: print_text(f"listening on port {port}\n"))

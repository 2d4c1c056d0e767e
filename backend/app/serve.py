"""`python -m app.serve`: one worker process on HOST and PORT."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import uvicorn

from app.api.factory import create_app
from app.container import connect
from app.settings import Listen, Settings, SettingsError
from app.tracing import configure

# Requests in flight get this long after SIGTERM; the platform sends SIGKILL a little later.
GRACE_SECONDS = 3


def server_config(env: Mapping[str, str]) -> uvicorn.Config:
    """What to serve and how; raises SettingsError before anything is opened."""
    listen = Listen.from_env(env)
    return uvicorn.Config(
        create_app(Settings.from_env(env), connect),
        host=listen.host,
        port=listen.port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # The proxy in front keeps connections open between requests; closing first would lose one now and then.
        timeout_keep_alive=75,
        access_log=False,
        server_header=False,
    )


def main() -> int:
    """Serve until told to stop."""
    try:
        config = server_config(os.environ)
        stop_tracing = configure(Settings.from_env(os.environ), "api")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    uvicorn.Server(config).run()
    stop_tracing()
    return 0


if __name__ == "__main__":
    sys.exit(main())

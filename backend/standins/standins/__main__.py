"""`python -m standins`: recorded market data on STANDIN_PORT, a mail server on MAIL_PORT, both on HOST (127.0.0.1)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import uvicorn

from standins.mail import MailHandler, mail_server
from standins.recorded import Inbox, Recording, create_app

LARGEST_PORT = 65535


class EnvironmentVariableError(Exception):
    """An environment variable is missing or has no usable value; the message names it."""


def port_from_env(env: Mapping[str, str], name: str) -> int:
    """The port number in a variable; raises EnvironmentVariableError."""
    text = env.get(name, "")
    if not text.isdecimal() or not 0 < int(text) <= LARGEST_PORT:
        raise EnvironmentVariableError(f"{name} must be a port number from 1 to {LARGEST_PORT}, not {text!r}")
    return int(text)


async def serve(host: str, http_port: int, mail_port: int) -> None:
    """Run the mail server and the HTTP server, which share an inbox, until a signal stops the process."""
    inbox = Inbox()
    app = create_app(Recording.load(), inbox)
    config = uvicorn.Config(app, host=host, port=http_port, access_log=False, timeout_graceful_shutdown=1)
    async with mail_server(MailHandler(inbox.mails), host, mail_port):
        await uvicorn.Server(config).serve()


def main(env: Mapping[str, str] | None = None) -> int:
    """The exit code: 0 stopped, 2 wrong environment."""
    env = os.environ if env is None else env
    try:
        ports = port_from_env(env, "STANDIN_PORT"), port_from_env(env, "MAIL_PORT")
    except EnvironmentVariableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    asyncio.run(serve(env.get("HOST") or "127.0.0.1", *ports))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m app.standin`: recorded data on STANDIN_PORT, mail on MAIL_PORT, both on HOST (127.0.0.1)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.settings import PACKAGED_MARKET_DATA, Listen, SettingsError
from app.standin.recorded import Inbox, create_standin


class Mailbox:
    """Takes every mail; a mailbox whose name begins with `refuse` is refused for good, one with `busy` for now."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    # Names and parameters of the two are the library's.
    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Whether a mailbox is there."""
        if address.startswith("refuse"):
            return "550 no such mailbox"
        if address.startswith("busy"):
            return "450 mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keep it."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        text = content.decode(errors="replace")
        for recipient in envelope.rcpt_tos:
            self._inbox.mails.append({"to": recipient, "from": str(envelope.mail_from), "message": text})
        return "250 OK"


@asynccontextmanager
async def mail_server(inbox: Inbox, host: str, port: int) -> AsyncIterator[int]:
    """An SMTP server for as long as the block; its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Mailbox(inbox), loop=loop, enable_SMTPUTF8=True), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def serve(pages: Listen, mail: Listen, market_data: Path) -> None:
    """Both servers until told to stop."""
    inbox = Inbox()
    config = uvicorn.Config(
        create_standin(market_data, inbox), host=pages.host, port=pages.port, access_log=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    async with mail_server(inbox, mail.host, mail.port):
        await uvicorn.Server(config).serve()


def main(env: Mapping[str, str] | None = None) -> int:
    """0 stopped, 2 wrong environment."""
    env = os.environ if env is None else env
    try:
        pages, mail = (Listen.from_env({**env, "PORT": env.get(name, "")}) for name in ("STANDIN_PORT", "MAIL_PORT"))
    except SettingsError as error:
        print(f"error: STANDIN_PORT and MAIL_PORT: {error}", file=sys.stderr)
        return 2
    asyncio.run(serve(pages, mail, Path(env.get("MARKET_DATA") or PACKAGED_MARKET_DATA)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

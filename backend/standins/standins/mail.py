"""An SMTP server that keeps the mails it receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableSequence
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope, Session


class MailHandler:
    """Accepts every mail, except to mailboxes named `refuse...` (permanent error) and `busy...` (temporary error)."""

    def __init__(self, mails: MutableSequence[dict[str, str]]) -> None:
        self._mails = mails

    # aiosmtpd gives the names and parameters of both methods.
    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """The reply to a recipient."""
        if address.startswith("refuse"):
            return "550 no such mailbox"
        if address.startswith("busy"):
            return "450 mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        """Keep the message, once for each recipient."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        text = content.decode(errors="replace")
        for recipient in envelope.rcpt_tos:
            self._mails.append({"to": recipient, "from": str(envelope.mail_from), "message": text})
        return "250 OK"


@asynccontextmanager
async def mail_server(handler: MailHandler, host: str, port: int) -> AsyncIterator[int]:
    """Listen for the duration of the block; yields the port, a free one when `port` is 0."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, enable_SMTPUTF8=True), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()

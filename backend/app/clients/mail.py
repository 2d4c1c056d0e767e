"""Mail by SMTP."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.core.money import multiply, plain, quantize
from app.services.alert_ports import Delivery, DeliveryError, Method

TIMEOUT_SECONDS = 10.0
DOMAIN = "dawsos.invalid"
# A mailbox that does not exist will not exist at the next try either (RFC 5321: 5yz is permanent).
PERMANENT = 500


@dataclass(frozen=True, slots=True)
class MailServer:
    """`smtp://[user:password@]host[:port]`; `smtps` for TLS from the first byte."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool
    sender: str

    @classmethod
    def parse(cls, url: str, sender: str) -> MailServer:
        """Raises ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("not an smtp:// or smtps:// address")
        tls = parts.scheme == "smtps"
        login = (unquote(parts.username) if parts.username else None, unquote(parts.password or "") or None)
        return cls(parts.hostname, parts.port or (465 if tls else 25), *login, tls, sender)


def message_of(delivery: Delivery, sender: str) -> EmailMessage:
    """The message; its id is the delivery's, so that a mail system can drop a repetition."""
    message = EmailMessage()
    if delivery.change is None:
        subject, text = "DawsOS test message", "This is the test message you asked for."
    else:
        percent = plain(quantize(multiply(delivery.change, Decimal(100)), Decimal("0.01")))
        subject = f"DawsOS: your portfolio moved by {percent} %"
        text = f"Portfolio {delivery.portfolio_id} moved by {percent} % ({delivery.asof_date.isoformat()})."
    message["From"], message["To"], message["Subject"] = sender, delivery.recipient, subject
    message["Date"] = format_datetime(delivery.triggered_at)
    message["Message-ID"] = f"<{delivery.id}@{DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{text}\nSeen at {delivery.triggered_at.isoformat()}.\n")
    return message


class MailSender:
    """Implements services.alert_ports.Sender."""

    method: Method = "email"

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, delivery: Delivery) -> None:
        """Hand the message to the mail server; a 5yz answer is final."""
        server = self._server
        try:
            message = message_of(delivery, server.sender)
        except (ValueError, IndexError) as error:
            # The header parser raises either for an address that looks like an encoded word.
            raise DeliveryError("address", "no message can be addressed to the recipient", final=True) from error
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.tls,
                timeout=TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            final = all(refused.code >= PERMANENT for refused in error.recipients)
            raise DeliveryError("refused", "the mail server refused the recipient", final=final) from error
        except aiosmtplib.SMTPResponseException as error:
            raise DeliveryError(
                "refused", f"the mail server said {error.code}", final=error.code >= PERMANENT
            ) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise DeliveryError("unreachable", f"the mail server does not answer: {type(error).__name__}") from error

"""Webhook signatures by the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.

The id is the same for every try of one delivery, so that a receiver can recognise a repetition; the timestamp is
signed, so that an old message cannot be replayed by a third party.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def encode_secret(key: bytes) -> str:
    """A secret in the form of the specification: `whsec_` and the base64 of its bytes (24 to 64 random ones)."""
    return PREFIX + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All headers of a signed message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id, timestamp, body),
    }

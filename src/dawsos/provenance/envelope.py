"""DSSE envelopes (secure-systems-lab/dsse v1.0.2): a signature over the type and the exact bytes of a statement.

An envelope is kept in one canonical form and read strictly: JSON and base64 both allow many texts for one value, and a
byte of an evidence file that could be changed unnoticed would be one byte too many.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from dawsos.ports import Keyring, Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_KEY_ID = re.compile(r"[0-9a-f]{64}")


class Untrusted(Exception):
    """The envelope proves nothing; the text says why."""


class UnknownKey(Untrusted):
    """The envelope is signed by the key ``key_id``, which is not believed here."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"it is signed by the key {key_id[:12]}, which is not trusted here")
        self.key_id = key_id


@dataclass(frozen=True)
class Opened:
    """A statement whose signature held, and the key that made it."""

    statement: dict[str, Any]
    key_id: str


def pae(payload: bytes) -> bytes:
    """Return the pre-authentication encoding: what is signed."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(statement: dict[str, Any], signer: Signer) -> str:
    """Return the envelope of ``statement`` as the one text that ``open_envelope`` accepts."""
    signed = payload(statement)
    return _text(signed, signer.key_id, signer.sign(pae(signed)))


def payload(statement: dict[str, Any]) -> bytes:
    """Return the bytes of ``statement`` that are signed."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _text(payload: bytes, key_id: str, signature: bytes) -> str:
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1) + "\n"


def signer_of(text: str) -> str:
    """Return the id of the key by which ``text`` says that it is signed, an empty text when it says none; proves nothing."""
    try:
        (given,) = json.loads(text)["signatures"]
        found = str(given["keyid"])
        return found if _KEY_ID.fullmatch(found) else ""
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""


def claims_of(text: str) -> dict[str, Any]:
    """Return the predicate of the statement that ``text`` claims to hold, empty when it holds none; proves nothing."""
    try:
        predicate = json.loads(base64.b64decode(json.loads(text)["payload"], validate=True))["predicate"]
    except (ValueError, TypeError, LookupError, RecursionError, binascii.Error):
        return {}
    return predicate if isinstance(predicate, dict) else {}


def open_envelope(text: str, keyring: Keyring) -> Opened:
    """Return the statement in ``text``; raises Untrusted when it is altered, unreadable or signed by an unknown key."""
    try:
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"], validate=True)
        (given,) = envelope["signatures"]
        key_id, signature = str(given["keyid"]), base64.b64decode(given["sig"], validate=True)
        canonical = _text(payload, key_id, signature) == text
    except (ValueError, TypeError, LookupError, RecursionError, binascii.Error) as error:
        raise Untrusted("it is not a DSSE envelope with one signature") from error
    if not canonical:
        raise Untrusted("it was altered: it is not written as it was signed")
    if not _KEY_ID.fullmatch(key_id):
        # It is shown to people, and may be of anybody.
        raise Untrusted("it does not name a key")
    if not keyring.knows(key_id):
        raise UnknownKey(key_id)
    if not keyring.verifies(key_id, signature, pae(payload)):
        raise Untrusted("its signature does not fit: it was altered")
    statement = json.loads(payload)
    if not isinstance(statement, dict):
        raise Untrusted("it does not hold a statement")
    return Opened(statement, key_id)

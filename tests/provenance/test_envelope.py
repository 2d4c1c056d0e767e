"""An envelope opens only as it was signed, by a key that is known."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dawsos.provenance import envelope as dsse
from dawsos.provenance.envelope import Untrusted, open_envelope, pae, sign
from dawsos.provenance.keys import LocalKeyring, local_signer

STATEMENT = {"_type": "x", "subject": [{"name": "r", "digest": {"sha256": "0" * 64}}], "predicate": {"a": [1, "ä"]}}


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[str, LocalKeyring]:
    text = sign(STATEMENT, local_signer(tmp_path))
    return text, LocalKeyring(tmp_path)


def test_what_was_signed_comes_out(sealed: tuple[str, LocalKeyring]) -> None:
    text, keyring = sealed
    assert open_envelope(text, keyring).statement == STATEMENT


def test_the_encoding_is_the_specification_s(monkeypatch: pytest.MonkeyPatch) -> None:
    # The example of the DSSE specification, protocol.md.
    monkeypatch.setattr(dsse, "PAYLOAD_TYPE", "http://example.com/HelloWorld")
    assert pae(b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_same_statement_gives_the_same_bytes(tmp_path: Path) -> None:
    assert sign(STATEMENT, local_signer(tmp_path)) == sign(STATEMENT, local_signer(tmp_path))


def test_every_bit_of_every_byte_counts(sealed: tuple[str, LocalKeyring]) -> None:
    text, keyring = sealed
    good = text.encode()
    for place in range(len(good)):
        for bit in range(8):
            altered = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            with pytest.raises(Untrusted):
                open_envelope(altered.decode(errors="replace"), keyring)


@pytest.mark.parametrize("change", [" ", "\n", "{}"])
def test_nothing_may_be_appended(sealed: tuple[str, LocalKeyring], change: str) -> None:
    text, keyring = sealed
    with pytest.raises(Untrusted):
        open_envelope(text + change, keyring)


def test_two_signatures_are_not_one(sealed: tuple[str, LocalKeyring]) -> None:
    text, keyring = sealed
    envelope = json.loads(text)
    envelope["signatures"] *= 2
    with pytest.raises(Untrusted, match="one signature"):
        open_envelope(json.dumps(envelope, indent=1) + "\n", keyring)


def test_a_stranger_s_key_is_named(sealed: tuple[str, LocalKeyring], tmp_path: Path) -> None:
    _, keyring = sealed
    stranger = local_signer(tmp_path / "stranger")
    with pytest.raises(Untrusted, match=stranger.key_id[:12]):
        open_envelope(sign(STATEMENT, stranger), keyring)


def test_another_payload_under_the_same_signature_is_refused(sealed: tuple[str, LocalKeyring]) -> None:
    text, keyring = sealed
    envelope = json.loads(text)
    envelope["payload"] = base64.b64encode(b"{}").decode()
    with pytest.raises(Untrusted, match="does not fit"):
        open_envelope(json.dumps(envelope, indent=1) + "\n", keyring)

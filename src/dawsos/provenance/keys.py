"""The local signing key: ed25519, made on first use, readable by its owner only.

A signature proves that nobody without the key file changed what was signed.  It proves neither who a person is nor anything
against somebody who can read the file.  Public keys that lie beside it (``*.pub``) are trusted as well, so that evidence
made on another machine can be checked here.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import create_bytes, write_bytes
from dawsos.errors import InfrastructureError

_PRIVATE = "signing.pem"


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 over the key's SubjectPublicKeyInfo, by which envelopes name it."""
    return sha256(_spki(key))


def _spki(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class LocalSigner:
    """Implements ``ports.Signer``."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._id = key_id(key.public_key())

    @property
    def key_id(self) -> str:
        return self._id

    @property
    def public_key(self) -> bytes:
        return _spki(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class LocalKeyring:
    """Implements ``ports.Keyring`` over the public keys in a folder."""

    def __init__(self, folder: Path, certified: bytes = b"") -> None:
        """``certified`` is one more key (SubjectPublicKeyInfo), which a certificate vouches for; raises InfrastructureError."""
        self._keys = {}
        for path in sorted(folder.glob("*.pub")):
            try:
                key = serialization.load_pem_public_key(path.read_bytes())
            except (OSError, ValueError, UnsupportedAlgorithm) as error:
                raise InfrastructureError(f"cannot read the public key {path}: {error}", fix="remove it") from error
            if isinstance(key, Ed25519PublicKey):
                self._keys[key_id(key)] = key
        if certified:
            self._add(certified)

    def _add(self, spki: bytes) -> None:
        try:
            key = serialization.load_der_public_key(spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InfrastructureError(f"cannot read the certified public key: {error}") from error
        if isinstance(key, Ed25519PublicKey):
            self._keys[key_id(key)] = key

    def knows(self, key_id: str) -> bool:
        return key_id in self._keys

    def verifies(self, key_id: str, signature: bytes, message: bytes) -> bool:
        try:
            self._keys[key_id].verify(signature, message)
        except InvalidSignature:
            return False
        return True


def local_signer(folder: Path) -> LocalSigner:
    """Return the signer of the project, whose key is made when there is none.

    Raises InfrastructureError for a key that others may read or that cannot be used.
    """
    path = folder / _PRIVATE
    if not path.exists():
        _make(folder, path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InfrastructureError(
            f"the signing key {path} may be read by others (mode {mode:04o})",
            fix=f"if nobody else did: chmod 600 {path}; else remove it and ship again",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InfrastructureError(f"cannot use the signing key {path}: {error}", fix=f"remove {path}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InfrastructureError(f"the signing key {path} is not ed25519", fix=f"remove {path}")
    _publish(folder, key)
    return LocalSigner(key)


def _publish(folder: Path, key: Ed25519PrivateKey) -> None:
    """Put the public key into the folder of the keyring."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = folder / f"{key_id(key.public_key())[:16]}.pub"
    # Also when an earlier version was killed while it wrote it: the keyring would refuse it for good.
    if not path.exists() or path.read_bytes() != public:
        write_bytes(path, public)


def _make(folder: Path, path: Path) -> None:
    """Make the key; of two processes that try at once, one wins and both use its key."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    create_bytes(path, private, durable=True, mode=0o600)

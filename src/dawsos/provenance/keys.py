"""The local signing key: ed25519, made on first use, readable by its owner only.

A signature proves that nobody without the key file changed what was signed.  It proves neither who a person is nor anything
against somebody who can read the file.  Public keys that lie beside it (``*.pub``) are trusted as well, so that evidence
made on another machine can be checked here.

The jobs of a CI service have no folder in common.  They may be given one key in the variable DAWSOS_SIGNING_KEY, which is
never written down, and the public keys to believe in DAWSOS_TRUSTED_KEYS.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import create_bytes, write_bytes
from dawsos.adapters.identity import SIGNING_KEY
from dawsos.errors import BadInput, InfrastructureError

_PRIVATE = "signing.pem"
# Public keys whose statements are believed: PEM, or files and folders of them, separated as in PATH.
TRUSTED_KEYS = "DAWSOS_TRUSTED_KEYS"
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


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
    def key(self) -> Ed25519PublicKey:
        return self._key.public_key()

    @property
    def public_key(self) -> bytes:
        return _spki(self._key.public_key())

    @property
    def pem(self) -> bytes:
        return _pem(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class LocalKeyring:
    """Implements ``ports.Keyring`` over the public keys in a folder."""

    def __init__(self, folder: Path, certified: bytes = b"", given: Iterable[Ed25519PublicKey] = ()) -> None:
        """``certified`` is one more key (SubjectPublicKeyInfo), which a certificate vouches for, ``given`` are those of the
        caller's variables; raises InfrastructureError.
        """
        self._keys = {key_id(key): key for key in given}
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

    def public_keys(self) -> dict[str, bytes]:
        """Return key id -> PEM of every key that is believed."""
        return {name: _pem(key) for name, key in self._keys.items()}

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


def given_signer(text: str) -> LocalSigner:
    """Return the signer with the private key ``text``: PEM, or the base64 between its first and last line.

    Raises BadInput, which never shows any of it.
    """
    try:
        key = _private(text.strip())
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(
            f"{SIGNING_KEY} does not hold a private ed25519 key without a password",
            fix="openssl genpkey -algorithm ed25519 makes one: give it whole, or the line between BEGIN and END",
        )
    return LocalSigner(key)


def _private(text: str) -> object:
    if "-----BEGIN" in text:
        return serialization.load_pem_private_key(text.encode(), None)
    return serialization.load_der_private_key(base64.b64decode("".join(text.split()), validate=True), None)


def trusted_keys(text: str, root: Path, home: Path) -> list[Ed25519PublicKey]:
    """Return the public keys of the variable DAWSOS_TRUSTED_KEYS: PEM, or paths of files and folders (``*.pub``) with them.

    Raises BadInput for a path that cannot be read, for one within the repository ``root`` (``home`` is not part of it), and for
    what holds no ed25519 key.
    """
    if "-----BEGIN" in text:
        return _public(text.encode(), TRUSTED_KEYS)
    found = []
    for name in filter(None, (part.strip() for part in text.split(os.pathsep))):
        path = Path(name).resolve()
        if path.is_relative_to(root.resolve()) and not path.is_relative_to(home.resolve()):
            raise BadInput(
                f"{TRUSTED_KEYS}: {name} lies in the repository, where every commit could change whom to believe",
                fix="keep the keys in a variable of the CI service, or in a folder outside of the repository",
            )
        files = sorted(path.glob("*.pub")) if path.is_dir() else [path]
        if not files:
            raise BadInput(f"{TRUSTED_KEYS}: the folder {name} has no *.pub", fix="put the public keys there")
        for file in files:
            try:
                found += _public(file.read_bytes(), f"{TRUSTED_KEYS}: {file}")
            except OSError as error:
                raise BadInput(
                    f"{TRUSTED_KEYS}: cannot read {file}: {error.strerror}", fix="correct the path"
                ) from error
    return found


def _public(text: bytes, where: str) -> list[Ed25519PublicKey]:
    keys: list[object] = []
    for block in _PEM.findall(text):
        try:
            keys.append(serialization.load_pem_public_key(block))
        except (ValueError, UnsupportedAlgorithm):
            keys.append(None)
    good = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not good or len(good) != len(keys):
        raise BadInput(f"{where} does not hold public ed25519 keys in PEM", fix="openssl pkey -pubout prints one")
    return good


def key_id_of(pem: bytes) -> str:
    """Return the id of the one public key in ``pem``; raises BadInput."""
    (key,) = _public(pem, "the file")[:1]
    return key_id(key)


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _publish(folder: Path, key: Ed25519PrivateKey) -> None:
    """Put the public key into the folder of the keyring."""
    public = _pem(key.public_key())
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

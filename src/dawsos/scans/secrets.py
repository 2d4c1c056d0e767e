"""Finds keys, tokens and passwords in lines of text with the detectors of detect-secrets.  A result never contains the secret.

Only detectors of known formats are used: a test of entropy reports every hash in a lock file.  A finding has the kind, the place,
the length and a fingerprint (the first 12 digits of the SHA-256).  Whoever has the secret can compare the fingerprint, and a
waiver names it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

_DETECTORS = (
    ArtifactoryDetector, AWSKeyDetector, AzureStorageKeyDetector, BasicAuthDetector, CloudantDetector, DiscordBotTokenDetector,
    IbmCloudIamDetector, JwtTokenDetector, MailchimpDetector, NpmDetector, SendGridDetector,
    SlackDetector, SquareOAuthDetector, StripeDetector, TwilioKeyDetector,
)  # fmt: skip
# Formats that detect-secrets does not know or returns only in part (GitHub's prefix), with the prefix and length that the
# issuer documents.
_FORMATS = {
    "GitHub Token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b"),
    "GitLab Token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    "Google API Key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
    "NPM tokens": re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    "PyPI Token": re.compile(r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    "OpenAI Key": re.compile(r"\bsk-(?:proj-|svcacct-)[A-Za-z0-9_-]{40,}"),
    "Anthropic Key": re.compile(r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{40,}"),
}
_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File[-]2")
# The hash of a package in a lock file of npm, or of a script in a page (W3C Subresource Integrity), looks like an Azure key.
_INTEGRITY = re.compile(r"\bsha(?:256-[A-Za-z0-9+/]{43}=|384-[A-Za-z0-9+/]{64}|512-[A-Za-z0-9+/]{86}==)")
_ALLOWED = re.compile(r"pragma: ?allowlist[ -]secret", re.IGNORECASE)
# A password in a URL is not a secret when it is a placeholder: {password}, $PASSWORD, <password>, ***, or the word itself in
# capitals (smtps://USER:PASSWORD@HOST).  A percent sign before two hexadecimal digits is an encoded character, not a placeholder.
_PLACEHOLDER = re.compile(r"[{}$<>*]|%(?![0-9A-Fa-f]{2})|^\.+$|^[xX]+$|^(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN)$")
# Nor is it one for a server on the same machine, or for a host that cannot exist (RFC 2606).
_NOWHERE = re.compile(
    r"@(?:127(?:\.\d+){3}|localhost|\[::1\]|\w|(?:[\w-]+\.)*example(?:\.(?:com|net|org))?|(?:[\w-]+\.)+(?:test|invalid|localhost))"
    r"(?![\w.-])",
    re.IGNORECASE,
)
# A long line is searched in parts of this length that overlap by this much, which is more than the longest secret.
_LONGEST, _AGAIN = 20_000, 2_000
# The results of this many lines are remembered, for lines no longer than this: most lines that the commits of a repository added
# are still in its files or equal other lines.
_REMEMBERED, _SHORT = 100_000, 400


@dataclass(frozen=True)
class Line:
    """A line to search.  ``commit`` is empty for a file of the working tree; ``number`` counts from 1."""

    path: str
    number: int
    text: str
    commit: str = ""


@dataclass(frozen=True)
class Secret:
    """Where a secret was found, without the secret; ``length`` is in characters."""

    kind: str
    path: str
    line: int
    commit: str
    length: int
    fingerprint: str


def find_secrets(lines: Iterable[Line]) -> list[Secret]:
    """Return each secret once for each path and commit: the same secret in many lines has to be revoked once."""
    found: dict[tuple[str, str, str], Secret] = {}
    for line in lines:
        for kind, value in _remembered(line.text) if len(line.text) <= _SHORT else secrets_in(line.text):
            fingerprint = hashlib.sha256(value.encode()).hexdigest()[:12]
            secret = Secret(kind, line.path, line.number, line.commit, len(value), fingerprint)
            found.setdefault((fingerprint, line.path, line.commit), secret)
    return list(found.values())


@lru_cache(maxsize=_REMEMBERED)
def _remembered(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(secrets_in(text))


def secrets_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, secret) for each secret in the line; none when it has the comment ``pragma: allowlist secret``."""
    if _ALLOWED.search(text):
        return
    seen: set[str] = set()
    for start in range(0, max(1, len(text) - _AGAIN), _LONGEST - _AGAIN):
        part = _INTEGRITY.sub("", text[start : start + _LONGEST])
        for kind, detect in _detectors():
            for value in detect(part):
                if value and value not in seen and not (kind == "Basic Auth Credentials" and _harmless(part, value)):
                    seen.add(value)
                    yield kind, value


def _harmless(text: str, password: str) -> bool:
    # The line may have the same password for several hosts: one that exists is enough.
    places = [match.end() - 1 for match in re.finditer(re.escape(f"{password}@"), text)]
    nowhere = bool(places) and all(_NOWHERE.match(text, place) for place in places)
    return nowhere or bool(_PLACEHOLDER.search(password))


@lru_cache(maxsize=1)
def _detectors() -> tuple[tuple[str, Callable[[str], Iterable[str]]], ...]:
    """Return (kind, function) for each detector."""
    library = tuple((str(made.secret_type), made.analyze_string) for made in (kind() for kind in _DETECTORS))
    own = tuple((kind, _finder(pattern)) for kind, pattern in _FORMATS.items())
    return (*library, *own, ("Private Key", _private_key))


def _finder(pattern: re.Pattern[str]) -> Callable[[str], Iterable[str]]:
    return pattern.findall


def _private_key(text: str) -> Iterable[str]:
    """Return the line from the beginning of a private key: its other lines are not seen here, so this is what is hashed."""
    begin = _KEY_BEGIN.search(text)
    return [text[begin.start() :].strip()] if begin else []

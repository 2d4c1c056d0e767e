"""Secrets that never were any, one of each kind: (the secret, a line that leaks it).

They are put together here, so that no scanner, ours included, takes this file for a leak.
"""

from __future__ import annotations

import base64
import json


def _url64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


_LETTERS = "Zx9Kq2Lm7Vw4Rt8Yp3Hn6Jb5Fd1Gs0CaQeUiOoAaBbCcDdEe"
_JWT = f"{_url64({'alg': 'HS256', 'typ': 'JWT'})}.{_url64({'sub': '1234567890', 'name': 'Ada'})}.{_LETTERS[:43]}"
_PASSWORD = "c0rrect-h0rse" + "-battery"
_VALUES = {
    "AWS Access Key": "AKIA" + "Q3EGUZJ5WTNX7HVB",
    "Azure Storage Account access key": base64.b64encode(bytes(range(100, 164))).decode(),
    "Basic Auth Credentials": _PASSWORD,
    "Discord Bot Token": "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + _LETTERS[:27],
    "GitHub Token": "ghp_" + _LETTERS[:36],
    "GitLab Token": "glpat-" + _LETTERS[:20],
    "Google API Key": "AIza" + _LETTERS[:35],
    "JSON Web Token": _JWT,
    "Mailchimp Access Key": "0123456789abcdef" * 2 + "-us12",
    "NPM tokens": "npm_" + _LETTERS[:36],
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "PyPI Token": "pypi-" + "AgEIcHlwaS5vcmc" + _LETTERS + _LETTERS,
    "SendGrid API Key": "SG." + _LETTERS[:22] + "." + _LETTERS[:43],
    "Slack Token": "xoxb-" + "123456789012-123456789012-" + _LETTERS[:24],
    "Square OAuth Secret": "sq0csp-" + _LETTERS[:43],
    "Stripe Access Key": "sk_live_" + _LETTERS[:24],
    "Twilio API Key": "SK" + "0123456789abcdef" * 2,
}
_LINES = {
    "Azure Storage Account access key": "AccountKey={}",
    "Basic Auth Credentials": 'DATABASE = "postgres://app:{}@db.internal:5432/app"',
    "Private Key": "{}",
}
SEEDED = {kind: (secret, _LINES.get(kind, 'KEY = "{}"').format(secret)) for kind, secret in _VALUES.items()}

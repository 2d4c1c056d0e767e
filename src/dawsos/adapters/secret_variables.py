"""Finds the secrets among variables: by their names, and passwords within addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

_SPEAKING = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY", re.IGNORECASE)


def secrets_in(variables: Mapping[str, str]) -> list[str]:
    """Return the secret parts of ``variables``: the passwords within addresses, as written and as decoded, and the whole value of
    a variable whose name says that it is a secret.
    """
    found = [value for name, value in variables.items() if _SPEAKING.search(name) and "://" not in value]
    for value in variables.values():
        password = _password(value)
        found += [password, unquote(password)] if password else []
    return found


def _password(value: str) -> str | None:
    try:
        return urlsplit(value).password if "://" in value else None
    except ValueError:  # no address after all, such as one with half an IPv6 host
        return None

"""The identity and the signing key that a CI service gives a job: the variables that hold them, and an environment without them."""

from __future__ import annotations

from collections.abc import Mapping

_TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105
_REQUEST_URL, _REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
# A process with one of these variables can sign as the CI job, so only processes that need them get them.
IDENTITY_VARIABLES = (_TOKEN, _REQUEST_URL, _REQUEST_TOKEN)


# The private key that signs, for jobs that share one: PEM, or the base64 between its first and last line.
SIGNING_KEY = "DAWSOS_SIGNING_KEY"


def identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of ``variables`` that give a job its CI identity, none when there is no such identity.

    GitHub Actions gives an address that issues a token (the workflow needs ``id-token: write``), GitLab and others the token.
    """
    if variables.get(_TOKEN):
        return {_TOKEN: variables[_TOKEN]}
    request = {name: variables.get(name, "") for name in (_REQUEST_URL, _REQUEST_TOKEN)}
    return {**request, "GITHUB_ACTIONS": "true"} if all(request.values()) else {}


def without_identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return ``variables`` without the job's identity and signing key, for a process that must not have them."""
    return {name: value for name, value in variables.items() if name not in (*IDENTITY_VARIABLES, SIGNING_KEY)}


def signing_key_forms(variables: Mapping[str, str]) -> list[str]:
    """Return the forms of the job's signing key that no log may show: whole, and each line of it; none without a key."""
    lines = [line.strip() for line in variables.get(SIGNING_KEY, "").splitlines()]
    body = [line for line in lines if line and not line.startswith("-----")]
    return [variables[SIGNING_KEY], "".join(body), *body] if body else []

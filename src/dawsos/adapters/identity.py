"""The identity that a CI service gives a job: the variables that hold it, and an environment without them."""

from __future__ import annotations

from collections.abc import Mapping

_TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105
_REQUEST_URL, _REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
# A process with one of these variables can sign as the CI job, so only processes that need them get them.
IDENTITY_VARIABLES = (_TOKEN, _REQUEST_URL, _REQUEST_TOKEN)


def identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of ``variables`` that give a job its CI identity, none when there is no such identity.

    GitHub Actions gives an address that issues a token (the workflow needs ``id-token: write``), GitLab and others the token.
    """
    if variables.get(_TOKEN):
        return {_TOKEN: variables[_TOKEN]}
    request = {name: variables.get(name, "") for name in (_REQUEST_URL, _REQUEST_TOKEN)}
    return {**request, "GITHUB_ACTIONS": "true"} if all(request.values()) else {}


def without_identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return ``variables`` without the job's identity, for a process that must not have it."""
    return {name: value for name, value in variables.items() if name not in IDENTITY_VARIABLES}

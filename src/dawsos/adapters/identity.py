"""The identity that a CI service gives a job: the variables that hold it, and an environment without them."""

from __future__ import annotations

from collections.abc import Mapping

_TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105
_REQUEST_URL, _REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
# Whoever has one of these can sign as the CI job: no process gets them that does not need them.
IDENTITY_VARIABLES = (_TOKEN, _REQUEST_URL, _REQUEST_TOKEN)


def identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of ``variables`` by which a CI service says who the job is, none where there is no such identity.

    GitHub Actions gives an address to ask for a token (the workflow needs ``id-token: write``), GitLab and others the token.
    """
    if variables.get(_TOKEN):
        return {_TOKEN: variables[_TOKEN]}
    asked = {name: variables.get(name, "") for name in (_REQUEST_URL, _REQUEST_TOKEN)}
    return {**asked, "GITHUB_ACTIONS": "true"} if all(asked.values()) else {}


def without_identity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return ``variables`` for a process that has no business with the job's identity."""
    return {name: value for name, value in variables.items() if name not in IDENTITY_VARIABLES}

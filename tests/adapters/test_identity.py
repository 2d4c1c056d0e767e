"""The identity of a CI job: found where a service gives one, and kept from every process that does not need it."""

from __future__ import annotations

import pytest

from dawsos.adapters.identity import IDENTITY_VARIABLES, SIGNING_KEY, identity, signing_key_forms, without_identity

GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://issuer.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"SIGSTORE_ID_TOKEN": "jwt", "HOME": "/"}, {"SIGSTORE_ID_TOKEN": "jwt"}),
        (GITHUB, {**GITHUB, "GITHUB_ACTIONS": "true"}),
        ({**GITHUB, "SIGSTORE_ID_TOKEN": "jwt"}, {"SIGSTORE_ID_TOKEN": "jwt"}),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://issuer.example"}, {}),
        ({"HOME": "/"}, {}),
    ],
)
def test_a_service_gives_a_token_or_an_address_to_ask_for_one(variables: dict[str, str], found: dict[str, str]) -> None:
    assert identity(variables) == found


def test_a_process_without_business_with_it_gets_none_of_it() -> None:
    variables = {**GITHUB, "SIGSTORE_ID_TOKEN": "jwt", "HOME": "/"}
    assert set(IDENTITY_VARIABLES) <= variables.keys()
    assert without_identity(variables) == {"HOME": "/"}


KEY = "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIfirst\nsecond\n-----END PRIVATE KEY-----\n"


def test_no_process_gets_the_key_that_signs() -> None:
    assert without_identity({SIGNING_KEY: KEY, "HOME": "/"}) == {"HOME": "/"}


def test_the_key_is_masked_whole_and_line_by_line() -> None:
    forms = signing_key_forms({SIGNING_KEY: KEY})
    assert forms == [KEY, "MC4CAQAwBQYDK2VwBCIEIfirstsecond", "MC4CAQAwBQYDK2VwBCIEIfirst", "second"]
    assert "-----BEGIN " + "PRIVATE KEY-----" not in forms
    assert signing_key_forms({}) == signing_key_forms({SIGNING_KEY: " "}) == []

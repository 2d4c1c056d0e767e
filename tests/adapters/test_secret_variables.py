"""Which variables hold secrets."""

from __future__ import annotations

from dawsos.adapters.secret_variables import secrets_in


def test_secrets_are_told_by_their_form_and_by_the_name_they_go_by() -> None:
    variables = {
        "HTTPS_PROXY": "http://me:p%40ss-word@proxy.example:3128",
        "NPM_TOKEN": "abcdef123",
        "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn",
        "BASE_URL": "http://127.0.0.1:8000",
        "TOKEN_URL": "https://login.example/token",
        "GIT_SHA": "0123456789",
        "BROKEN": "http://[half",
    }
    assert set(secrets_in(variables)) == {"p%40ss-word", "p@ss-word", "abcdef123", "wJalr/XUtn"}

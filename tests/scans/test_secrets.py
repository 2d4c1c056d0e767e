"""Secrets: ten kinds and more are found, none is passed on, and what only looks like one is left alone."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict

import pytest

from dawsos.scans.secrets import Line, find_secrets, secrets_in
from scans.seeded import SEEDED


@pytest.mark.parametrize("kind", sorted(SEEDED))
def test_each_kind_is_found_in_a_line_of_code_and_in_none_of_its_output(kind: str) -> None:
    secret, line = SEEDED[kind]
    found = find_secrets([Line("app/settings.py", 7, line)])
    assert kind in [one.kind for one in found]
    assert all((one.path, one.line) == ("app/settings.py", 7) for one in found)
    assert len(secret) in [one.length for one in found if one.kind == kind], "the fingerprint is of the whole secret"
    told = json.dumps([asdict(one) for one in found])
    assert secret not in told
    assert secret[:8] not in told


def test_at_least_ten_kinds_are_known() -> None:
    assert len(SEEDED) >= 10


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x = 1",
        "    --hash=sha256:" + "ab" * 32,
        f"digest = '{base64.b64encode(bytes(range(48))).decode()}'",
        "url = f'postgres://app:{password}@db.internal/app'",
        "url: redis://:$REDIS_PASSWORD@cache.internal/0",
        "postgres://app:secret@127.0.0.1:5432/app",
        "postgres://app:secret@localhost/app",
        "https://user:password@proxy.example.com/",
        "write it as smtps://USER:PASSWORD@HOST:PORT",
        "git@github.com:owner/repository.git",
        "AKIA is the beginning of an AWS key",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_only_looks_like_a_secret_is_none(line: str) -> None:
    assert list(secrets_in(line)) == []


def test_a_password_that_is_the_word_in_small_letters_is_one() -> None:
    assert list(secrets_in("smtps://mailer:" + "password" + "@mail.internal:465"))


def test_a_password_that_also_serves_on_this_machine_is_one_for_the_other_host() -> None:
    word = "hunter" + "2x"
    line = f"local = 'redis://u:{word}@localhost:6379'; live = 'redis://u:{word}@cache.internal:6379'"
    assert list(secrets_in(line)) == [("Basic Auth Credentials", word)]


def test_a_special_character_as_a_url_writes_it_makes_no_variable_of_a_password() -> None:
    word = "hunt%40" + "er2x"
    assert list(secrets_in(f"postgres://app:{word}@db.internal/app")) == [("Basic Auth Credentials", word)]
    assert list(secrets_in("postgres://app:%(password)s" + "@db.internal/app")) == []
    assert list(secrets_in("postgres://app:%s" + "@db.internal/app")) == []


@pytest.mark.parametrize("before", [0, 17_980, 19_990, 20_000, 37_990, 100_000])
def test_a_secret_is_found_wherever_it_lies_in_a_long_line(before: int) -> None:
    secret, line = SEEDED["GitHub Token"]
    assert ("GitHub Token", secret) in list(secrets_in("; " * (before // 2) + line + "; " * 10))


def test_the_hash_of_a_package_in_a_lock_file_is_no_key_and_a_key_beside_it_is_one() -> None:
    digest = base64.b64encode(hashlib.sha512(b"package").digest()).decode()
    assert list(secrets_in(f'"integrity": "sha512-{digest}",')) == []
    assert [kind for kind, _ in secrets_in(f'"key": "{digest}", "integrity": "sha512-{digest}"')] == [
        "Azure Storage Account access key"
    ]


def test_a_line_may_say_that_it_is_allowed() -> None:
    _, line = SEEDED["AWS Access Key"]
    assert list(secrets_in(line))
    assert not list(secrets_in(f"{line}  # pragma: allowlist secret"))


def test_the_same_secret_is_told_once_for_a_file_and_once_for_a_commit() -> None:
    _, line = SEEDED["Slack Token"]
    found = find_secrets([Line("a", 1, line), Line("a", 9, line), Line("b", 1, line), Line("a", 1, line, "c0ffee")])
    assert [(one.path, one.line, one.commit) for one in found] == [("a", 1, ""), ("b", 1, ""), ("a", 1, "c0ffee")]
    assert len({one.fingerprint for one in found}) == 1

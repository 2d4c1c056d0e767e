"""Credentials come from where the user's own tools keep them, and are shown to nobody."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.docker_config import Credentials, credentials
from dawsos.errors import InfrastructureError


class User:
    """A person's home with a Docker configuration and credential helpers."""

    def __init__(self, home: Path) -> None:
        self.home, self.bin = home, home / "bin"
        self.bin.mkdir()
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin"}

    def config(self, content: dict[str, Any], folder: str = ".docker") -> None:
        (self.home / folder).mkdir(exist_ok=True)
        (self.home / folder / "config.json").write_text(json.dumps(content))

    def helper(self, name: str, script: str) -> None:
        path = self.bin / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def asked(self, host: str = "registry.example.com", repository: str = "team/backend") -> Credentials | None:
        return asyncio.run(credentials(host, repository, self.environment, self.home))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_nothing_is_known_of_a_registry_that_nobody_logged_in_to(user: User) -> None:
    assert user.asked() is None
    user.config({"auths": {"other.example.com": encoded("a", "b")}})
    assert user.asked() is None
    user.config({"auths": {"registry.example.com": {}}, "credHelpers": [], "credsStore": None})
    assert user.asked() is None


@pytest.mark.parametrize("key", ["registry.example.com", "https://registry.example.com"])
def test_what_docker_login_wrote_is_found(user: User, key: str) -> None:
    user.config({"auths": {key: encoded("ada", "pass:word")}})
    assert user.asked() == Credentials("ada", "pass:word")


def test_docker_hub_has_a_name_of_its_own(user: User) -> None:
    user.config({"auths": {"https://index.docker.io/v1/": encoded("ada", "secret")}})
    assert user.asked("docker.io") == Credentials("ada", "secret")
    assert user.asked("registry.example.com") is None


def test_the_folder_that_docker_is_told_and_that_of_buildah_are_read(user: User) -> None:
    user.config({"auths": {"registry.example.com": encoded("ada", "one")}}, "elsewhere")
    user.environment["DOCKER_CONFIG"] = str(user.home / "elsewhere")
    assert user.asked() == Credentials("ada", "one")
    (user.home / "containers").mkdir()
    kept = {"auths": {"registry.example.com/team": encoded("eve", "two")}}
    (user.home / "containers" / "auth.json").write_text(json.dumps(kept))
    user.environment |= {"DOCKER_CONFIG": str(user.home / "none"), "XDG_RUNTIME_DIR": str(user.home)}
    assert user.asked() == Credentials("eve", "two")
    assert user.asked(repository="others/backend") is None


def test_a_helper_is_asked_on_its_standard_input(user: User) -> None:
    said = json.dumps({"ServerURL": "x", "Username": "ada", "Secret": "s3cret"})
    user.helper("mine", f'read host; echo "$1 $host" >> {user.home}/asked; echo {said!r}')
    user.config({"credHelpers": {"registry.example.com": "mine"}})
    assert user.asked() == Credentials("ada", "s3cret")
    assert (user.home / "asked").read_text() == "get registry.example.com\n"
    user.config({"credsStore": "mine", "auths": {"registry.example.com": {}}})
    assert user.asked() == Credentials("ada", "s3cret")


def test_a_token_of_a_helper_or_a_login_is_exchanged_later(user: User) -> None:
    said = json.dumps({"Username": "<token>", "Secret": "refresh"})
    user.helper("mine", f"echo {said!r}")
    user.config({"credsStore": "mine"})
    assert user.asked() == Credentials(token="refresh")
    user.config({"auths": {"registry.example.com": {"identitytoken": "refresh"}}})
    assert user.asked() == Credentials(token="refresh")


def test_a_helper_that_knows_nothing_leaves_the_registry_without_credentials(user: User) -> None:
    user.helper("mine", "echo credentials not found in native keychain; exit 1")
    user.config({"credsStore": "mine"})
    assert user.asked() is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo s3cret; exit 3", r"no credentials for registry.example.com \(exit code 3\)"),
        ("echo s3cret", "did not answer with credentials"),
        ("", "did not answer with credentials"),
    ],
)
def test_a_helper_that_fails_is_told_without_what_it_said(user: User, script: str, why: str) -> None:
    user.helper("mine", script)
    user.config({"credHelpers": {"registry.example.com": "mine"}})
    with pytest.raises(InfrastructureError, match=why) as failed:
        user.asked()
    assert "s3cret" not in str(failed.value)


def test_a_helper_that_is_not_there_or_is_a_path_is_told(user: User) -> None:
    user.config({"credHelpers": {"registry.example.com": "missing"}})
    with pytest.raises(InfrastructureError, match="docker-credential-missing, which cannot be run"):
        user.asked()
    user.config({"credHelpers": {"registry.example.com": "../../tmp/x"}})
    with pytest.raises(InfrastructureError, match="which is a path"):
        user.asked()


def test_nothing_secret_is_in_what_is_shown_of_credentials() -> None:
    shown = repr(Credentials("ada", "s3cret", "t0ken"))
    assert "ada" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    assert base64.b64encode(b"ada:s3cret").decode() in Credentials("ada", "s3cret").secrets

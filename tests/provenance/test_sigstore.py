"""Where an identity is there, who gets it, and what is made of the answers of the process that signs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters import toolchain
from dawsos.adapters.identity import IDENTITY_VARIABLES, identity, without_identity
from dawsos.adapters.scratch import OWNED
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.process import Command, CommandOutcome
from dawsos.provenance import sigstore as keyless
from dawsos.provenance.sigstore import Keyless

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
GITHUB = {URL: "https://ci.example/token", TOKEN: "for-the-test"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {}),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, {}),
        ({URL: "https://ci.example/token"}, {}),
        ({**GITHUB, TOKEN: ""}, {}),
        ({**GITHUB, "HOME": "/home/ci"}, {**GITHUB, "GITHUB_ACTIONS": "true"}),
        ({"SIGSTORE_ID_TOKEN": "jwt", "HOME": "/home/ci"}, {"SIGSTORE_ID_TOKEN": "jwt"}),
        ({**GITHUB, "SIGSTORE_ID_TOKEN": "jwt"}, {"SIGSTORE_ID_TOKEN": "jwt"}),
    ],
)
def test_an_identity_is_there_only_where_a_service_gives_one(
    variables: Mapping[str, str], found: Mapping[str, str]
) -> None:
    assert identity(variables) == found


def test_other_processes_do_not_get_it() -> None:
    assert without_identity({**GITHUB, "SIGSTORE_ID_TOKEN": "jwt", "HOME": "/"}) == {"HOME": "/"}
    assert set(identity(GITHUB)) - {"GITHUB_ACTIONS"} <= set(IDENTITY_VARIABLES)


class Child:
    """Takes the place of the runner: answers a request, and keeps what it was given."""

    def __init__(self, answer: Any, outcome: CommandOutcome | None = None) -> None:
        self.answer, self.outcome = answer, outcome or CommandOutcome("ok", 0, 0.1)
        self.requests: list[dict[str, Any]] = []
        self.commands: list[Command] = []

    async def run(self, command: Command) -> CommandOutcome:
        self.commands.append(command)
        assert Path(command.cwd).name.endswith(OWNED), "the next run sweeps it when this one is killed"
        self.requests.append(json.loads(Path(command.argv[-2]).read_text()))
        if self.outcome.classification == "ok":
            Path(command.argv[-1]).write_text(json.dumps(self.answer))
        else:
            Path(command.log).write_text("Traceback\nImportError: no sigstore\n")
        return self.outcome


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of the library, as if it had been made."""

    async def ensure(requirements: Path, folder: Path, runner: Any) -> Path:
        assert requirements == keyless.LOCK
        return folder / "venv"

    monkeypatch.setattr(toolchain, "ensure", ensure)
    return tmp_path


def using(child: Child, home: Path, instance: Path | None = None) -> Keyless:
    return Keyless(home, home / "toolchains", child, instance)


def test_the_signing_process_alone_gets_the_identity(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, **GITHUB, "SOMETHING": "else"})
    child = Child({"bundle": "{}", "identity": "me", "issuer": "ci"})
    answer = asyncio.run(using(child, made).sign("a statement", identity(GITHUB)))
    assert answer == {"bundle": "{}", "identity": "me", "issuer": "ci"}
    assert child.requests == [{"verb": "sign", "statement": "a statement", "instance": ""}]
    (command,) = child.commands
    assert GITHUB.items() <= command.env.items()
    assert "SOMETHING" not in command.env
    assert not any(GITHUB[TOKEN] in word for word in command.argv)
    asyncio.run(using(child, made).verify("{}", "me", "ci"))
    assert set(child.commands[1].env).isdisjoint(IDENTITY_VARIABLES)
    assert list((made / "keyless").iterdir()) == [], "requests are taken away"


def test_other_servers_are_named_by_their_file(made: Path) -> None:
    child, instance = Child({"payload": ""}), made / "instance.json"
    with pytest.raises(BadInput, match=r"there is no .*instance\.json"):
        asyncio.run(using(child, made, instance).verify("{}", "me", "ci"))
    instance.write_text("{}")
    asyncio.run(using(child, made, instance).verify("{}", "me", "ci"))
    assert child.requests[0]["instance"] == str(instance)


def test_a_refusal_to_sign_is_an_error_and_a_bundle_that_is_refused_is_an_answer(made: Path) -> None:
    with pytest.raises(InfrastructureError, match="sigstore did not sign: FulcioClientError: no such issuer"):
        asyncio.run(using(Child({"error": "FulcioClientError:\n no such issuer"}), made).sign("s", GITHUB))
    answer = asyncio.run(using(Child({"refused": "it does not\nverify"}), made).verify("{}", "me", "ci"))
    assert answer == {"refused": "it does not verify"}


@pytest.mark.parametrize("verb", ["sign", "verify"])
def test_a_process_that_fails_is_an_error_with_its_last_words(made: Path, verb: str) -> None:
    child = Child(None, CommandOutcome("failed", 1, 0.1, "exit code 1"))
    asked = using(child, made)
    with pytest.raises(InfrastructureError, match=f"could not {verb}: exit code 1; ImportError: no sigstore"):
        asyncio.run(asked.sign("s", GITHUB) if verb == "sign" else asked.verify("{}", "me", "ci"))


def test_the_lock_lists_the_library_with_hashes_and_no_address() -> None:
    text = keyless.LOCK.read_text()
    assert "\nsigstore==4." in text
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert keyless.CHILD.is_file()

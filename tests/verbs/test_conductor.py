"""What runs in the pod beside `dawsos resume`: one line that says what the pod lacks and with which key it signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dawsos import __version__
from dawsos.errors import InfrastructureError
from dawsos.platforms.kubernetes import receiving
from dawsos.verbs.conductor import main
from support.memory_jobs import key_pair


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lacks: list[str] = []

    async def faults(*_: Any) -> list[str]:
        return list(lacks)

    monkeypatch.setattr(receiving, "faults", faults)
    return lacks


def test_the_public_half_of_the_key_is_told_and_nothing_else_of_it(
    pod: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = key_pair()
    monkeypatch.setenv("DAWSOS_SIGNING_KEY", private)
    assert main(["check", "--namespace", "shop", "--gateway", "gateways"]) == 0
    said = capsys.readouterr().out
    assert json.loads(said) == {"version": __version__, "public": public, "told": []}
    assert private.splitlines()[1] not in said


def test_a_secret_without_a_key_is_told_beside_what_else_is_missing(
    pod: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DAWSOS_SIGNING_KEY", raising=False)
    pod.append("its image has no helm")
    assert main(["check", "--namespace", "shop"]) == 0
    told = json.loads(capsys.readouterr().out)["told"]
    assert told[0] == "its image has no helm"
    assert "DAWSOS_SIGNING_KEY does not hold a private ed25519 key" in told[1]


def test_files_that_are_not_there_end_the_pod_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def receive(*_: Any) -> None:
        raise InfrastructureError("the cluster does not have the files", fix="resume")

    monkeypatch.setattr(receiving, "receive", receive)
    words = ["--context", "c", "--namespace", "n", "--release", "r", "--job", "j", "--commit", "c"]
    assert main(["receive", *words, "--work", str(tmp_path)]) == 3
    assert "the cluster does not have the files" in capsys.readouterr().err

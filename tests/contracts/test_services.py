"""One suite over the registry of services: what each prepares is private, idempotent, and bound to this machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dawsos.adapters.services import SERVICES
from dawsos.adapters.services.common import port_of
from dawsos.errors import InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Stage

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_file_s_words_are_the_registry_s() -> None:
    for model in (Stage, EnvironmentSettings):
        choices = str(model.model_fields["services"].annotation)
        assert all(f"'{name}'" in choices for name in SERVICES), choices
        assert choices.count("'") == 2 * len(SERVICES)


@every_service
def test_a_service_is_registered_under_its_own_name_and_says_what_its_users_get(name: str) -> None:
    service = SERVICES[name]
    assert service.name == name
    assert "_URL" in (type(service).__doc__ or "")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A service's folder; what root puts outside of it, for another user to reach, goes with it."""
    yield tmp_path / "service"
    note = tmp_path / "outside.json"
    for outside in json.loads(note.read_text())["folders"] if note.exists() else ():
        shutil.rmtree(outside)


def test_the_port_of_a_service_is_on_disk_before_anybody_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The releases keep it in their addresses, also over a power cut."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    port = port_of(tmp_path, running=False)
    assert synced[0] == len(str(port))
    assert port_of(tmp_path, running=True) == port


def test_a_port_that_cannot_be_read_is_told_and_not_chosen_again(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("")
    with pytest.raises(InfrastructureError, match=r"port cannot be read"):
        port_of(tmp_path, running=False)
    assert (tmp_path / "port").read_text() == ""


@pytest.mark.e2e
@every_service
def test_preparing_twice_is_preparing_once(name: str, folder: Path) -> None:
    folder.mkdir()
    first, variables = SERVICES[name].prepare(folder)
    second, again = SERVICES[name].prepare(folder)
    assert (first.argv, variables) == (second.argv, again)
    for value in variables.values():
        address = urlsplit(value)
        assert address.hostname == "127.0.0.1"
        assert address.password
        assert address.password not in " ".join(first.argv), "a process list must not show it"
    assert first.ready is not None
    for kept in folder.glob("password*"):
        assert kept.stat().st_mode & 0o077 == 0

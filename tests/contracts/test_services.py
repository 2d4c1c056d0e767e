"""One suite over the registry of services: what each prepares is private, idempotent, and bound to this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dawsos.adapters.services import SERVICES
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

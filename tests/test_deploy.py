"""The compose file of the tests: open on the loopback address only, with every file it names, and healthy before it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture
def services() -> dict[str, Any]:
    compose: dict[str, dict[str, Any]] = YAML(typ="safe").load((DEPLOY / "docker-compose.test.yml").read_text())
    return compose["services"]


def test_nothing_is_open_beyond_this_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service["ports"]]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_files_it_mounts_are_here(services: dict[str, Any]) -> None:
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert all((DEPLOY / name).is_file() for name in mounted), mounted


def test_toxiproxy_leads_to_the_services_and_its_ports_are_published(services: dict[str, Any]) -> None:
    published = {port.split(":")[2] for port in services["toxiproxy"]["ports"]}
    for proxy in json.loads((DEPLOY / "toxiproxy.json").read_text()):
        assert proxy["upstream"].split(":")[0] in services
        assert proxy["listen"].split(":")[1] in published


def test_the_roles_are_those_of_the_embedded_server() -> None:
    ours = (DEPLOY / "test-database.sql").read_text()
    embedded = (DEPLOY.parent / "src" / "dawsos" / "adapters" / "services" / "postgres.py").read_text()
    rights = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD"
    assert rights in ours
    assert rights in embedded

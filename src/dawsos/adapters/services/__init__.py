"""Backing services that come with the tool: one module each, one literal dict of them."""

from dawsos.adapters.services.postgres import Postgres
from dawsos.adapters.services.redis import Redis
from dawsos.ports import Service

SERVICES: dict[str, Service] = {"postgres": Postgres(), "redis": Redis()}

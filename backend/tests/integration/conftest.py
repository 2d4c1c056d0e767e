"""Real servers, the newest schema, and one running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from app.storage.db import Database
from tests.support.servers import Running, Stack, migrated_stack, run, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs a young database first: the others leave rows that nobody may delete."""
    items.sort(key=lambda item: item.get_closest_marker("young") is None)


@pytest.fixture(scope="session")
def stack() -> Stack:
    """Servers with the newest schema."""
    return migrated_stack()


@pytest.fixture(scope="session")
def night(stack: Stack) -> None:
    """One good night, so that a fresh pack exists."""
    done = run(stack.env(), "jobs.nightly")
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def db(stack: Stack) -> AsyncIterator[Database]:
    """The service's pool."""
    database = Database(stack.database_url, max_size=3)
    yield database
    await database.close()


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The role that owns the schema."""
    connection = await asyncpg.connect(stack.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def service(stack: Stack, night: None) -> Iterator[Running]:
    """`python -m app.serve` for the whole session."""
    with serving(stack.env()) as running:
        yield running

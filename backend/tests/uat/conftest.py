"""Acceptance tests speak HTTP to a deployed service and know nothing else of it, save the secret that signs tokens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from app.api.auth import issue

Login = Callable[[UUID], httpx.Client]


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        pytest.fail(f"{name} is not set", pytrace=False)
    return value


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """--base-url, or BASE_URL."""
    return str(request.config.getoption("--base-url") or _required("BASE_URL"))


@pytest.fixture(scope="session")
def sign() -> Callable[[UUID, int], str]:
    """A token for a user with a time to live in seconds (negative: already expired)."""
    secret = _required("JWT_SECRET")
    return lambda user, ttl: issue(secret, user, datetime.now(UTC), timedelta(seconds=ttl))


@pytest.fixture
def login(base_url: str, sign: Callable[[UUID, int], str]) -> Iterator[Login]:
    """A client for a user."""
    with ExitStack() as stack:

        def open_client(user: UUID) -> httpx.Client:
            headers = {"Authorization": f"Bearer {sign(user, 600)}"}
            return stack.enter_context(httpx.Client(base_url=base_url, headers=headers, timeout=30))

        yield open_client


@pytest.fixture
def anna(login: Login) -> httpx.Client:
    """A new user."""
    return login(uuid4())


@pytest.fixture
def ben(login: Login) -> httpx.Client:
    """Another one."""
    return login(uuid4())


@pytest.fixture
def anonymous(base_url: str) -> Iterator[httpx.Client]:
    """Nobody."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client

"""Acceptance tests speak HTTP to a deployed service and know nothing else of it, save the secret that signs tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from app.api.auth import issue
from tests.support.midnight import stay_within_a_day
from tests.uat.report import Reporter, misfits
from tests.uat.world import required

Login = Callable[[UUID], httpx.Client]


def pytest_configure(config: pytest.Config) -> None:
    """Report when asked to."""
    target = config.getoption("--uat-report")
    if target:
        config.pluginmanager.register(Reporter(Path(target)), "uat-report")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that the plan does not know, or knows otherwise, would be counted wrongly."""
    here = Path(__file__).parent
    wrong = misfits(item for item in items if item.path.is_relative_to(here))
    if wrong:
        raise pytest.UsageError("; ".join(wrong))


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """--base-url, or BASE_URL."""
    return str(request.config.getoption("--base-url") or required("BASE_URL"))


@pytest.fixture(scope="session")
def sign() -> Callable[[UUID, int], str]:
    """A token for a user with a time to live in seconds (negative: already expired)."""
    secret = required("JWT_SECRET")
    return lambda user, ttl: issue(secret, user, datetime.now(UTC), timedelta(seconds=ttl))


@pytest.fixture
def login(base_url: str, sign: Callable[[UUID, int], str]) -> Iterator[Login]:
    """A client for a user."""
    with ExitStack() as stack:

        def open_client(user: UUID) -> httpx.Client:
            headers = {"Authorization": f"Bearer {sign(user, 600)}"}
            return stack.enter_context(httpx.Client(base_url=base_url, headers=headers, timeout=30))

        yield open_client


@pytest.fixture(autouse=True)
def _one_day(login: Login) -> None:
    """A case begins and ends on one day, and not beside the night that the environment's worker runs."""
    stay_within_a_day(login(uuid4()))


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


@pytest.fixture
def note() -> Callable[[str, float], None]:
    """Add one measured number to SLO_FILE, where the gates read it."""

    def add(name: str, value: float) -> None:
        target = os.environ.get("SLO_FILE")
        if target:
            file = Path(target)
            known = json.loads(file.read_text()) if file.exists() else {}
            file.write_text(json.dumps(known | {name: value}, sort_keys=True) + "\n")

    return add

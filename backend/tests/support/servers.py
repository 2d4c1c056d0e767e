"""The real servers the platform provides, and the service itself as a child process."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from app.storage.migrations import Migrator, folder, load

BACKEND = Path(__file__).parents[2]
SECRET = "integration-secret-that-is-long-enough"
NEEDED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")


@dataclass(frozen=True)
class Stack:
    """Where the servers are."""

    database_url: str
    owner_url: str
    redis_url: str
    ledger_dir: str

    def env(self, **changes: str) -> dict[str, str]:
        """The environment of a child process of the service."""
        values = {
            "DATABASE_URL": self.database_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "REDIS_URL": self.redis_url,
            "LEDGER_DIR": self.ledger_dir,
            # Tests ask as fast as they can.
            "RATE_LIMIT_PER_MINUTE": "1000000",
            "JWT_SECRET": SECRET,
            "GIT_SHA": "test-sha",
            "DEPLOYMENT_ID": "test",
            "PYTHONPATH": str(BACKEND),
            "PATH": os.environ.get("PATH", ""),
        }
        return values | changes


def stack_from_env() -> Stack:
    """A missing server is a failure and not a skip: a gate that skips its tests passes without looking."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.fail(f"these tests need real servers; not set: {', '.join(missing)}", pytrace=False)
    database, owner, redis = (os.environ[name] for name in NEEDED)
    return Stack(database, owner, redis, _ledger())


@cache
def _ledger() -> str:
    """One folder of journals for the whole session, as the database is one."""
    made = tempfile.mkdtemp(prefix="dawsos-ledger-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def migrated_stack() -> Stack:
    """The stack with the schema at its newest."""
    stack = stack_from_env()
    asyncio.run(Migrator(stack.owner_url, load(folder())).up())
    return stack


def at(url: str, port: int) -> str:
    """The same URL through another local port (a proxy)."""
    parts = urlsplit(url)
    # Redis is reached with a password and no user name.
    login = f"{parts.username or ''}:{parts.password}@" if parts.password else ""
    return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{port}"))


def address(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(env: dict[str, str], *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """`python -m ...` to its end."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


@dataclass(frozen=True)
class Running:
    """A serving process."""

    url: str
    process: subprocess.Popen[bytes]


async def newest_day(stack: Stack) -> str:
    """The date of the newest pack. A job of this date adds no pack of another day, although midnight has passed."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        return str(await connection.fetchval("SELECT max(asof_date) FROM pricing_pack"))
    finally:
        await connection.close()


@contextmanager
def serving(env: dict[str, str]) -> Iterator[Running]:
    """`python -m app.serve` on a free port; stopped by SIGTERM, and it must obey."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "app.serve"], env={**env, "PORT": str(port)})
    running = Running(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_healthy(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_until_healthy(running: Running) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            raise AssertionError(f"the service ended with {running.process.returncode}")
        try:
            if httpx.get(f"{running.url}/health", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the service did not become healthy in 20 s")


async def refused(connection: asyncpg.Connection[asyncpg.Record], sql: str, *arguments: object) -> str:
    """The SQLSTATE with which the database refuses a statement; fails if it does not."""
    try:
        async with connection.transaction():
            await connection.execute(sql, *arguments)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    raise AssertionError(f"the database accepted: {sql}")

"""What acceptance tests share: requests in one line each, and the environment's own jobs."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

BACKEND = Path(__file__).parents[2]
NEW_YEAR = "2024-01-02"


def required(name: str) -> str:
    """A variable of the environment under test; without it the case fails, it is not skipped."""
    value = os.environ.get(name, "")
    if not value:
        pytest.fail(f"{name} is not set", pytrace=False)
    return value


def opened(client: httpx.Client, base: str = "USD", **more: str) -> str:
    """A new portfolio's id."""
    answer = client.post("/v1/portfolios", json={"name": "Acceptance", "base_currency": base, **more})
    assert answer.status_code == 201, answer.text
    return str(UUID(answer.json()["portfolio_id"]))


def order(client: httpx.Client, portfolio: str, action: str, amount: str, symbol: str, **more: str) -> httpx.Response:
    """POST /v1/trades."""
    body = {"portfolio_id": portfolio, "action": action, "symbol": symbol, "quantity": amount, "price": "10", **more}
    return client.post("/v1/trades", json=body)


def booked(client: httpx.Client, path: str, **body: str) -> dict[str, Any]:
    """POST something that must be booked."""
    answer = client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def seen(client: httpx.Client, path: str) -> Any:
    """GET something that must be there."""
    answer = client.get(f"/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def journal(client: httpx.Client, portfolio: str) -> str:
    """The journal as the service gives it out."""
    answer = client.get(f"/v1/portfolios/{portfolio}/journal")
    assert answer.status_code == 200, answer.text
    return answer.text


class JournalFile:
    """The ledger's file of one portfolio: on this machine, or in a replica that `REPLICA_EXEC` runs commands in."""

    def __init__(self, portfolio: str) -> None:
        self._path = Path(required("LEDGER_DIR")) / "portfolios" / f"{portfolio}.bean"
        self._inside = shlex.split(os.environ.get("REPLICA_EXEC", ""))

    def read(self) -> str:
        """Its text."""
        if not self._inside:
            return self._path.read_text()
        code = "import pathlib, sys; sys.stdout.write(pathlib.Path(sys.argv[1]).read_text())"
        return self._run(code, str(self._path))

    def write(self, text: str) -> None:
        """Overwrite it, past the service."""
        if not self._inside:
            self._path.write_text(text)
            return
        code = "import base64, pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(base64.b64decode(sys.argv[2]))"
        self._run(code, str(self._path), base64.b64encode(text.encode()).decode())

    def _run(self, code: str, *arguments: str) -> str:
        done = subprocess.run(
            [*self._inside, "python", "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def job(name: str, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """`python -m jobs.NAME` on the environment under test, counted apart from the deployment's own runs."""
    return subprocess.run(
        [sys.executable, "-m", f"jobs.{name}", *arguments],
        env={**job_env(), **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def job_env() -> dict[str, str]:
    """What a job of the environment under test is told."""
    required("DATABASE_URL")
    required("LEDGER_DIR")
    return {**os.environ, "PYTHONPATH": str(BACKEND), "DEPLOYMENT_ID": "acceptance"}

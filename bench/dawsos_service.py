"""What the measurements of the DawsOS service share: serving processes with their schema, a night, a token, and recorded data
providers and a mailbox beside them, as in staging.

The servers come from `scripts/with-services`, which gives DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL; the interpreter
must have the service's packages (backend/requirements-dev.txt).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

BACKEND = Path(__file__).resolve().parent.parent / "backend"


@dataclass(frozen=True)
class Running:
    """Where the service listens, for whom the token speaks, and the demo portfolio."""

    url: str
    pid: int
    token: str
    user_id: str
    portfolio_id: str


def environment(ledger: str) -> dict[str, str]:
    """The variables of the service's processes."""
    return {
        **os.environ,
        "PYTHONPATH": str(BACKEND),
        "LEDGER_DIR": ledger,
        "JWT_SECRET": "a-secret-of-a-measurement-and-nothing-else",
        "RATE_LIMIT_PER_MINUTE": "1000000",
    }


def module(env: dict[str, str], *arguments: str) -> str:
    """`python -m ...` to its end; its output. What fails is shown and ends the measurement."""
    done = subprocess.run([sys.executable, "-m", *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def service(workers: int = 1) -> Iterator[list[Running]]:
    """`workers` serving processes on one database, seeded, with the pack of a night."""
    with tempfile.TemporaryDirectory(prefix="dawsos-bench-") as ledger:
        pages, mail = _free_port(), _free_port()
        env = environment(ledger) | {
            "STANDIN_PORT": pages,
            "MAIL_PORT": mail,
            "PROVIDERS_URL": f"http://127.0.0.1:{pages}",
            "SMTP_URL": f"smtp://127.0.0.1:{mail}",
        }
        module(env, "app.migrate", "up")
        seeded = json.loads(module(env, "app.seed"))
        module(env, "jobs.nightly")
        token = module(env, "app.token", "--user", seeded["user_id"], "--ttl", "7200").strip()
        processes, running = [], []
        try:
            standins = [sys.executable, "-m", "standins"]
            standins_env = env | {"PYTHONPATH": str(BACKEND / "standins")}
            processes.append(subprocess.Popen(standins, env=standins_env, stderr=subprocess.DEVNULL))
            _wait(f"http://127.0.0.1:{pages}")
            for _ in range(workers):
                port = _free_port()
                command = [sys.executable, "-m", "app.serve"]
                process = subprocess.Popen(command, env=env | {"PORT": port}, stderr=subprocess.DEVNULL)
                processes.append(process)
                known = (process.pid, token, seeded["user_id"], seeded["portfolio_id"])
                running.append(Running(f"http://127.0.0.1:{port}", *known))
            for one in running:
                _wait(one.url)
            yield running
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(15)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _wait(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=1, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    sys.exit(f"{url} did not answer in 30 s")

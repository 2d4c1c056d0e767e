"""What must stay secret stands in its own files, which nobody else may read, and nowhere else."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from e2e.clone import Clone

pytestmark = pytest.mark.e2e

# Where a secret is kept, and where the supervisor reads what to give to which process.
KEPT = {
    "secrets.json",
    "desired.json",
    "password",
    "password-app",
    "password-owner",
    "password-superuser",
    "redis.conf",
}


def _secrets(home: Path) -> set[str]:
    found: set[str] = set()
    for path in home.glob("environments/*/secrets.json"):
        found |= {value for name, value in json.loads(path.read_text()).items() if name != "version"}
    for path in home.glob("environments/*/services/*/password*"):
        found.add(path.read_text())
    return found


def test_no_secret_is_in_a_log_a_report_the_journal_or_a_command_line(shipped: Clone) -> None:
    home = shipped.path / ".dawsos"
    secrets = _secrets(home)
    assert len(secrets) >= 10, "two environments, each with database roles, a cache and a signing key"
    looked_at = 0
    for path in home.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        looked_at += 1
        content = path.read_bytes()
        if any(secret.encode() in content for secret in secrets):
            assert path.name in KEPT, f"{path} holds a secret"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, f"{path} can be read by others"
    assert looked_at > 100
    for process in shipped.processes():
        line = " ".join(process.cmdline())
        assert not any(secret in line for secret in secrets), (
            f"{process.name()} shows a secret to everyone on the machine"
        )

"""A Python environment for each lock, made once and whole, with what the caller's settings may be and nothing else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dawsos.adapters.toolchain import base_python, ensure, lock_digest, tool_environment
from dawsos.errors import DawsosError, InfrastructureError
from dawsos.model.process import Command, CommandOutcome


class Told:
    """A runner that does on disk what venv would, and fails the command that holds ``bad``."""

    def __init__(self, bad: str = "", words: str = "") -> None:
        self.bad = bad
        self.words = words
        self.ran: list[tuple[str, ...]] = []

    async def run(self, command: Command) -> CommandOutcome:
        self.ran.append(command.argv)
        await asyncio.sleep(0)
        if "venv" in command.argv:
            Path(command.argv[-1]).mkdir()
        if self.bad and self.bad in command.argv:
            Path(command.log).write_text(self.words)
            return CommandOutcome("failed", 1, 0.1, "exit code 1")
        return CommandOutcome("ok", 0, 0.1)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("a==1 --hash=sha256:0\n")
    return path


def test_it_is_made_once_from_the_lock_alone(lock: Path, tmp_path: Path) -> None:
    runner = Told()
    made = asyncio.run(ensure(lock, tmp_path / "toolchains", runner))
    assert made == tmp_path / "toolchains" / lock_digest(lock)[:16]
    assert runner.ran[0] == (base_python(), "-m", "venv", str(made))
    install = runner.ran[1]
    assert install[0] == str(made / "bin" / "python")
    assert {"--require-hashes", "--no-deps", str(lock)} <= set(install)
    assert runner.ran[2][-1] == "check"
    assert runner.ran[3][1:3] == ("-m", "compileall")
    asyncio.run(ensure(lock, tmp_path / "toolchains", runner))
    assert len(runner.ran) == 4


def test_two_stages_that_need_it_at_once_make_it_once(lock: Path, tmp_path: Path) -> None:
    runner = Told()

    async def both() -> list[Path]:
        return await asyncio.gather(*[ensure(lock, tmp_path / "toolchains", runner) for _ in range(2)])

    first, second = asyncio.run(both())
    assert first == second
    assert len(runner.ran) == 4


@pytest.mark.parametrize("bad", ["venv", "install", "check"])
def test_what_could_not_be_made_whole_is_not_there(bad: str, lock: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toolchains"
    with pytest.raises(DawsosError, match=r"(?s)requirements\.txt.*no such package"):
        asyncio.run(ensure(lock, folder, Told(bad, "looking\nno such package\n")))
    assert not (folder / lock_digest(lock)[:16]).exists()
    # It is tried again, and what an interrupted start left is no hindrance.
    (folder / lock_digest(lock)[:16]).mkdir()
    (folder / lock_digest(lock)[:16] / "half").touch()
    made = asyncio.run(ensure(lock, folder, Told()))
    assert [path.name for path in made.iterdir()] == ["ready"]


def test_a_registry_that_is_away_is_the_machine_s_fault(lock: Path, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as caught:
        asyncio.run(ensure(lock, tmp_path, Told("install", "Could not find a version: connection refused\n")))
    assert "registry" in caught.value.fix


def test_another_lock_is_another_environment(lock: Path) -> None:
    before = lock_digest(lock)
    assert lock_digest(lock) == before
    lock.write_text("a==2 --hash=sha256:0\n")
    assert lock_digest(lock) != before


def test_pip_gets_the_caller_s_settings_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org")
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.delenv("HOME")
    assert {key: value for key, value in tool_environment(tmp_path).items() if key not in ("PATH", "LANG")} == {
        "HOME": str(tmp_path), "PIP_INDEX_URL": "https://example.org/simple", "HTTPS_PROXY": "http://proxy.example.org",
    }  # fmt: skip

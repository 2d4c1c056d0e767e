"""A release's own commands run inside the environment, with its variables and without showing its secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from contracts.platform.scenes import serving
from contracts.platform.subjects import Subject


def test_a_command_has_the_variables_of_the_environment_and_of_the_deployment(play: Any, tmp_path: Path) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        log = tmp_path / "log"
        code = "import os; print(*(os.environ[name] for name in ('GREETING', 'GIT_SHA', 'DEPLOYMENT_ID', 'EXTRA')))"
        outcome = await platform.commands("stable", old).run(f'python -c "{code}"', log, {"EXTRA": "more"})
        assert (outcome.classification, outcome.exit_code) == ("ok", 0)
        assert log.read_text() == f"hello {old.commit} stable more\n"

    play(scene)


def test_a_command_that_fails_says_so(play: Any, tmp_path: Path) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        outcome = await platform.commands("stable", old).run(
            "python -c 'import sys; sys.exit(3)'", tmp_path / "log", {}
        )
        assert (outcome.classification, outcome.exit_code) == ("failed", 3)

    play(scene)


def test_what_is_captured_stands_in_no_file(play: Any, tmp_path: Path) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        commands = platform.commands("stable", old)
        outcome, text = await commands.capture("python -c \"print('to' + 'ken-1')\"", tmp_path / "token.log", {})
        assert (outcome.classification, text) == ("ok", "token-1\n")
        found = [path for path in tmp_path.rglob("*") if path.is_file() and b"token-1" in path.read_bytes()]
        assert found == []

    play(scene)


def test_users_of_a_deployment_get_the_variables_of_the_environment(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _ = await serving(subject)
        variables = await platform.variables("stable")
        assert variables["GREETING"] == "hello"
        assert not variables.keys() & (os.environ.keys() - {"PATH", "HOME", "LANG", "TZ"})

    play(scene)

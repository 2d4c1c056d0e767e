"""A release's own commands in its environment: what they see, what they say, what becomes of their failures."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.platforms.commands import ServiceCommands, substitute
from dawsos.platforms.local.commands import LocalCommands
from support.paper import URL, Paper
from waiting import pids_in

Make = Callable[..., ServiceCommands]


FOLDER = "project/.dawsos/environments/production"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes the commands of a release of a service, deployed as ``d1`` unless told otherwise."""

    def commands(*, deployed: bool = True, **service: Any) -> ServiceCommands:
        workers = [{"name": "queue", "command": "x", "ports": ["QUEUE_PORT"]}]
        paper = Paper(tmp_path / "project", {**service, "workers": workers})
        release, platform = paper.release(), paper.platform()
        if deployed:
            asyncio.run(platform.deploy("d1", release))
        return ServiceCommands(
            paper.pipeline.service, "production", platform.commands("d1", release), paper.tools.masker
        )

    return commands


def local(commands: ServiceCommands) -> LocalCommands:
    assert isinstance(commands.commands, LocalCommands)
    return commands.commands


def test_a_command_sees_what_is_declared_and_nothing_of_the_caller_s(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    inside = make()
    release = local(inside).release
    outcome = asyncio.run(inside.run("sh -c 'pwd; env'", tmp_path / "log", {"EXTRA": "1"}))
    assert outcome.classification == "ok"
    folder, *lines = (tmp_path / "log").read_text().splitlines()
    seen = dict(line.partition("=")[::2] for line in lines)
    assert folder == str(tmp_path / FOLDER)
    assert {
        key: value for key, value in seen.items() if key not in ("PATH", "HOME", "LANG", "TZ", "PWD", "_", "SHLVL")
    } == {
        "GREETING": "hello",
        "QUEUE_PORT": "7001",
        "QUEUE_URL": "http://127.0.0.1:7001",
        "PYTHONPATH": str(release.site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_SHA": release.commit,
        "DEPLOYMENT_ID": "d1",
        "EXTRA": "1",
    }


def test_python_is_the_release_s_with_its_packages(make: Make, tmp_path: Path) -> None:
    said = asyncio.run(make().must("python -c 'import app; print(app.VERSION)'", tmp_path / "log"))
    assert said == "1"


def test_the_last_line_is_its_own_also_in_a_log_that_others_wrote_to(make: Make, tmp_path: Path) -> None:
    inside = make()
    log = tmp_path / "log"
    assert asyncio.run(inside.must("echo one", log)) == "one"
    assert asyncio.run(inside.must("true", log)) == ""
    assert log.read_text() == "one\n"


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("sh -c 'echo no such column >&2; exit 3'", ReleaseFailed, "failed in production (exit code 3)"),
        ("/no/such/program", ReleaseFailed, "cannot start /no/such/program"),
    ],
    ids=["it fails", "there is no such program"],
)
def test_a_failure_is_told_with_its_last_words(
    command: str, kind: type[Exception], message: str, make: Make, tmp_path: Path
) -> None:
    inside = make()
    (tmp_path / "log").write_text("what another command said\n")
    with pytest.raises((ReleaseFailed, InfrastructureError)) as caught:
        asyncio.run(inside.must(command, tmp_path / "log"))
    assert message in str(caught.value)
    assert "another command" not in str(caught.value)
    assert caught.value.fix == f"read {tmp_path / 'log'}"
    assert type(caught.value) is kind


def test_a_machine_at_fault_is_not_the_release_s_fault(make: Make, tmp_path: Path) -> None:
    inside = make()
    inside = replace(inside, commands=replace(local(inside), folder=tmp_path / "gone"))
    with pytest.raises(InfrastructureError, match="cannot start"):
        asyncio.run(inside.must("true", tmp_path / "log"))


def test_a_schema_is_migrated_when_the_service_has_one(make: Make, tmp_path: Path) -> None:
    asyncio.run(make().migrate(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_seed_values_are_variables(make: Make, tmp_path: Path) -> None:
    inside = make(migrate="echo migrated", seed="""echo '{"user_id": 7, "name": "Ada"}'""")
    asyncio.run(inside.migrate(tmp_path / "log"))
    assert asyncio.run(inside.seed(tmp_path / "log")) == {"USER_ID": "7", "NAME": "Ada"}
    assert (tmp_path / "log").read_text().splitlines()[0] == "migrated"


def test_without_a_seed_there_are_no_values(make: Make, tmp_path: Path) -> None:
    assert asyncio.run(make().seed(tmp_path / "log")) == {}


@pytest.mark.parametrize("said", ["done", "[1]", "7"])
def test_a_seed_that_prints_no_object_is_the_release_s_fault(said: str, make: Make, tmp_path: Path) -> None:
    inside = make(seed=f"echo '{said}'")
    with pytest.raises(ReleaseFailed, match=r"did not print a JSON object"):
        asyncio.run(inside.seed(tmp_path / "log"))


def test_jobs_before_traffic_run_in_their_order_and_the_first_that_fails_is_the_last(
    make: Make, tmp_path: Path
) -> None:
    ends = {"late": "0", "first": "0", "second": "1", "third": "0"}
    jobs = [
        {"name": name, "run": f"sh -c 'echo {name} >> ran; exit $CODE'", "env": {"CODE": code}}
        for name, code in ends.items()
    ]
    inside = make(jobs=jobs, before_traffic=["first", "second", "third"])
    with pytest.raises(ReleaseFailed, match="echo second"):
        asyncio.run(inside.before_traffic(tmp_path))
    assert (tmp_path / FOLDER / "ran").read_text().split() == ["first", "second"]


def test_a_token_is_made_by_the_release_and_is_in_no_log(make: Make, tmp_path: Path) -> None:
    script = "echo a note; echo key-$USER_ID-{name}"
    inside = make(token=f"sh -c '{script}'")
    log = tmp_path / "logs" / "token.log"
    assert asyncio.run(inside.token({"USER_ID": "7", "NAME": "ada"}, log)) == "key-7-ada"
    assert [path.name for path in log.parent.iterdir()] == ["token.log"]
    assert inside.redactor.clean("Bearer key-7-ada") == "Bearer ***"
    assert "key-7-ada" not in log.read_text()


def test_a_token_lies_in_a_folder_that_only_its_owner_enters(make: Make, tmp_path: Path) -> None:
    inside = make(token="sh -c 'test -f capture-*/output && stat -c %a capture-*'")
    assert asyncio.run(inside.token({}, tmp_path / "token.log")) == f"{stat.S_IRWXU:o}"


def test_a_service_without_tokens_has_none(make: Make, tmp_path: Path) -> None:
    assert asyncio.run(make().token({}, tmp_path / "token.log")) == ""


@pytest.mark.parametrize("command", ["false", "true"], ids=["it fails", "it prints nothing"])
def test_no_token_is_the_release_s_fault(command: str, make: Make, tmp_path: Path) -> None:
    inside = make(token=command)
    with pytest.raises(ReleaseFailed, match=f"`{command}` made no token"):
        asyncio.run(inside.token({}, tmp_path / "token.log"))
    assert not (tmp_path / "token.out").exists()


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("/p/{portfolio_id}", "/p/9"),
        ("/{PORTFOLIO_ID}", "/9"),
        ("/{unknown}/{portfolio_id}", "/{unknown}/9"),
        ("{}", "{}"),
    ],
)
def test_what_is_known_is_filled_in_and_what_is_not_stays(text: str, filled: str) -> None:
    assert substitute(text, {"PORTFOLIO_ID": "9", "URL": URL}) == filled


def test_before_it_is_deployed_no_variable_holds_a_port_that_is_not_chosen_yet(make: Make, tmp_path: Path) -> None:
    outcome = asyncio.run(make(deployed=False).run("sh -c env", tmp_path / "log"))
    assert outcome.classification == "ok"
    seen = (tmp_path / "log").read_text()
    assert "GREETING=hello" in seen
    assert "QUEUE" not in seen


def test_a_token_does_not_stay_behind_when_its_making_is_stopped(make: Make, tmp_path: Path) -> None:
    inside = make(token="sh -c 'echo key-to-all; echo $$ > made.pid; exec sleep 60'")

    async def stopped() -> None:
        making = asyncio.create_task(inside.token({}, tmp_path / "token.log"))
        await asyncio.to_thread(pids_in, tmp_path / FOLDER, 1)
        making.cancel()
        await making

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
    assert not (tmp_path / "token.out").exists()

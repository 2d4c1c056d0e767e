"""Settings, command lines and packaging. The command lines meet a port where nothing listens, never a server."""

from __future__ import annotations

import ast
import json
import re
import socket
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from uuid import uuid4

import pytest
from hatchling.builders.wheel import WheelBuilder

from app import migrate, seed, serve, token
from app.api.auth import verify
from app.settings import PACKAGED_MARKET_DATA, Listen, Settings, SettingsError
from jobs.runner import main, single_job
from tests.support.memory import SECRET

BACKEND = Path(__file__).parents[2]


def closed_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    url = f"postgres://nobody:x@127.0.0.1:{closed_port()}/none"
    values = {
        "DATABASE_URL": url,
        "DATABASE_OWNER_URL": url,
        "REDIS_URL": f"redis://127.0.0.1:{closed_port()}/0",
        "JWT_SECRET": SECRET,
        "PORT": "8000",
    }
    for name in (*values, "GIT_SHA", "DEPLOYMENT_ID", "MARKET_DATA", "HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_defaults(env: dict[str, str]) -> None:
    settings = Settings.from_env(env)
    assert (settings.git_sha, settings.deployment_id) == ("unknown", "local")
    assert settings.market_data == PACKAGED_MARKET_DATA
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"])
def test_a_missing_variable_is_named(env: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({**env, name: ""})


def test_a_short_secret_is_refused_without_showing_it(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**env, "JWT_SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_a_port_must_be_a_port(port: str) -> None:
    with pytest.raises(SettingsError, match="PORT"):
        Listen.from_env({"PORT": port})


def test_serve_listens_where_it_is_told(env: dict[str, str]) -> None:
    config = serve.server_config({**env, "HOST": "0.0.0.0"})  # noqa: S104 - the value is compared, not bound
    assert (config.host, config.port, config.workers) == ("0.0.0.0", 8000, 1)  # noqa: S104 - as above


def test_serve_without_environment_exits_2(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PORT")
    assert serve.main() == 2
    assert "PORT is not set" in capsys.readouterr().err


def test_serve_runs_the_server_until_it_stops(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        with pytest.raises(SystemExit) as stopped:
            serve.main()
    assert stopped.value.code != 0


def test_token_prints_a_token_that_verifies(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    user = uuid4()
    assert token.main(["--user", str(user), "--ttl", "60"]) == 0
    assert verify(SECRET, capsys.readouterr().out.strip()) == user


def test_token_without_secret_exits_2(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_SECRET")
    assert token.main(["--user", str(uuid4())]) == 2


@pytest.mark.parametrize("command", [["up"], ["down", "--to", "0"], ["status"]])
def test_migrate_without_database_exits_1(
    env: dict[str, str], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate.main(command) == 1
    assert "error: ConnectionRefusedError" in capsys.readouterr().err


def test_migrate_without_url_exits_2(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_OWNER_URL")
    assert migrate.main(["up"]) == 2


def test_seed_without_database_exits_1(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert seed.main() == 1
    assert "the database does not answer" in capsys.readouterr().err


def test_seed_without_environment_exits_2(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    assert seed.main() == 2


@pytest.mark.parametrize("job", ["nightly", "build_pack"])
def test_a_job_of_a_day_to_come_is_refused(job: str, env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Its pack would be the newest, and served, until that day."""
    assert main(single_job(job), "", ["--date", "2999-01-01"]) == 2
    assert "2999-01-01 is in the future" in capsys.readouterr().err


def test_the_lock_files_and_the_project_name_one_runtime_set() -> None:
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text())["project"]["dependencies"]
    named = [line for line in (BACKEND / "requirements.in").read_text().split("\n") if line and line[0] != "#"]
    assert project == named
    pins = {f: dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (BACKEND / f).read_text(), re.M)) for f in LOCKS}
    assert {re.split("[<>=]", name)[0] for name in named} <= pins["requirements.txt"].keys()
    assert pins["requirements.txt"].items() <= pins["requirements-dev.txt"].items()


# Imported by uvicorn when they are there, and by redis on Python before 3.11.3.
IMPORTED_BY_OTHERS = {"async-timeout", "httptools", "uvloop"}


def imported(folder: Path) -> set[str]:
    """The distributions that the modules of a folder import, canonically named."""
    known = packages_distributions()
    roots: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.partition(".")[0])
    # `opentelemetry` is a namespace of several distributions, which the roots cannot tell apart.
    third_party = roots - sys.stdlib_module_names - {"app", "jobs", "standins", "opentelemetry"}
    return {re.sub("[-_.]+", "-", known[root][0]).lower() for root in third_party}


def test_what_the_service_imports_is_what_it_declares() -> None:
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text())["project"]["dependencies"]
    declared = {re.split("[<>=]", name)[0] for name in project}
    found = imported(BACKEND / "app") | imported(BACKEND / "jobs")
    assert {name for name in declared if not name.startswith("opentelemetry-")} == found | IMPORTED_BY_OTHERS


LOCKS = ("requirements.txt", "requirements-dev.txt")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (BACKEND / lock).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert blocks
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def wheel_files() -> set[str]:
    """The paths in the wheel that hatchling would build."""
    return {str(file.distribution_path) for file in WheelBuilder(str(BACKEND)).recurse_included_files()}


def test_the_wheel_has_the_service_and_neither_stand_ins_nor_tests() -> None:
    files = wheel_files()
    assert {"app/serve.py", "app/data/market.json", "jobs/nightly.py", "app/migrations/000_base.up.sql"} <= files
    assert {file.partition("/")[0] for file in files} == {"app", "jobs"}
    not_for_production = re.compile(r"stand_?in|(^|/)tests?(/|_)|conftest|recorded", re.I)
    assert sorted(file for file in files if not_for_production.search(file)) == []


def test_packages_of_the_stand_ins_alone_are_not_in_the_release() -> None:
    pins = {f: set(re.findall(r"^([a-z0-9-]+)==", (BACKEND / f).read_text(), re.M)) for f in LOCKS}
    alone = imported(BACKEND / "standins" / "standins") - pins["requirements.txt"]
    assert alone == {"aiosmtpd"}
    assert alone <= pins["requirements-dev.txt"]


def test_the_packaged_data_is_json() -> None:
    assert json.loads(PACKAGED_MARKET_DATA.read_text())["source"] == "fixture"

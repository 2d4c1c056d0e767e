"""A stand-in is a real process of an environment: copied code, ports that stay, restarted when its code changed."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import lock_digest
from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import StandInSource
from dawsos.platforms.local.environment import LocalEnvironment
from dawsos.platforms.local.stand_ins import stand_in_services
from waiting import is_gone

# Says in its log what its module holds, where it runs, and its ports; then it answers.
MAIN = """
import http.server, os, pathlib
from outside.text import TEXT

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass

print(TEXT, pathlib.Path(__file__).parent, os.environ["STANDIN_PORT"], os.environ["MAIL_PORT"], flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["STANDIN_PORT"])), Page).serve_forever()
"""


@dataclass
class Place:
    """A checkout with a stand-in, a toolchain that is made already, and an environment."""

    folder: Path
    platform: LocalEnvironment
    wanted: StandInSource

    def start(self, wanted: StandInSource | None = None) -> dict[str, str]:
        async def run() -> dict[str, str]:
            await self.platform.ensure_supervisor()
            runner = ProcessRunner(SystemClock(), Masker())
            services = await stand_in_services([wanted or self.wanted], self.platform.folder, runner)
            return await self.platform.start_services(services)

        return asyncio.run(run())

    @property
    def process(self) -> int:
        (process,) = self.platform.status().processes
        assert (process.name, process.group, process.state) == ("outside", "services", "ready")
        return process.pid

    def said(self) -> list[str]:
        return (self.platform.folder / "logs" / "outside.log").read_text().splitlines()[-1].split()

    def copies(self) -> list[Path]:
        return sorted((self.platform.folder / "services" / "outside").glob("co*-*"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    source = tmp_path / "checkout" / "stand-ins"
    (source / "outside").mkdir(parents=True)
    (source / "outside" / "__init__.py").touch()
    (source / "outside" / "__main__.py").write_text(MAIN)
    (source / "outside" / "text.py").write_text("TEXT = 'first'\n")
    requirements = tmp_path / "checkout" / "tools.txt"
    requirements.touch()
    venv = tmp_path / "toolchains" / lock_digest(requirements)[:16]
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "ready").touch()
    wanted = StandInSource(
        "outside",
        "python -m outside",
        source,
        requirements,
        tmp_path / "toolchains",
        ("STANDIN_PORT", "MAIL_PORT"),
        "/health",
    )
    made = Place(tmp_path, LocalEnvironment(tmp_path / "production", "production"), wanted)
    yield made
    asyncio.run(made.platform.down(purge=True))


def test_it_runs_from_a_copy_and_its_users_are_told_its_ports(place: Place) -> None:
    ports = place.start()
    assert set(ports) == {"STANDIN_PORT", "MAIL_PORT"}
    (copy,) = place.copies()
    assert place.said() == ["first", str(copy / "outside"), ports["STANDIN_PORT"], ports["MAIL_PORT"]]
    # Once more nothing changes, and caches that running it left beside the code are none.
    pid = place.process
    (place.wanted.source / "outside" / "__pycache__").mkdir()
    (place.wanted.source / "outside" / "__pycache__" / "text.pyc").write_text("x")
    assert place.start() == ports
    assert (place.process, place.copies()) == (pid, [copy])


def test_changed_code_restarts_it_on_its_ports(place: Place) -> None:
    ports = place.start()
    before = place.process
    (place.wanted.source / "outside" / "text.py").write_text("TEXT = 'second'\n")
    assert place.start() == ports
    assert place.process != before
    assert place.said()[0] == "second"
    assert place.said()[2:] == [ports["STANDIN_PORT"], ports["MAIL_PORT"]]
    (place.wanted.source / "outside" / "text.py").write_text("TEXT = 'third'\n")
    place.start()
    # The copy before the last may still be read by a process that is ending; older ones are gone.
    assert len(place.copies()) == 2


def test_who_does_not_deploy_leaves_it_as_it_is(place: Place) -> None:
    """A rollback must not depend on what the working tree has become."""
    later = replace(place.wanted, fresh=False)
    ports = place.start(later)  # nothing runs yet: then it is started from what is there
    before = place.process
    shutil.rmtree(place.folder / "checkout")
    shutil.rmtree(place.folder / "toolchains")
    assert place.start(later) == ports
    assert place.process == before


def test_it_ends_with_the_environment_and_comes_back_on_its_ports(place: Place) -> None:
    ports, before = place.start(), place.process
    asyncio.run(place.platform.down(purge=False))
    assert is_gone(before)
    assert place.start(replace(place.wanted, fresh=False)) == ports
    assert place.process != before


def test_a_record_that_cannot_be_read_is_told_and_its_ports_are_not_chosen_again(place: Place) -> None:
    """The releases that run would keep the old addresses."""
    record = place.platform.folder / "services" / "outside" / "stand-in.json"
    record.parent.mkdir(parents=True)
    record.write_text("{ cut")
    for fresh in (True, False):
        with pytest.raises(InfrastructureError, match=r"stand-in\.json cannot be read"):
            place.start(replace(place.wanted, fresh=fresh))
    assert record.read_text() == "{ cut"


def test_without_its_folder_or_when_it_ends_at_once_it_is_told(place: Place) -> None:
    with pytest.raises(InfrastructureError, match="there is no folder"):
        place.start(replace(place.wanted, source=place.folder / "nowhere"))
    with pytest.raises(InfrastructureError, match="outside crashes again and again"):
        place.start(replace(place.wanted, command="python -c 'raise SystemExit(3)'"))

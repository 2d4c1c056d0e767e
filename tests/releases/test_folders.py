"""A release that the project's own command makes: of the committed files only, named by its content, and whole."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.git import Commit
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import DawsosError, InfrastructureError, ReleaseFailed
from dawsos.model.release import Release
from dawsos.model.service import Service
from dawsos.releases import bundle, folders

COMMIT = Commit("c0ffee" * 6 + "abcd", "subject", "author", 1_700_000_000, "main")
PATH = {"PATH": "/usr/bin:/bin"}


class Shop:
    """A project with two files; what else lies in its folder is not committed."""

    def __init__(self, folder: Path) -> None:
        self.source, self.kept, self.log = folder / "source", folder / "releases", folder / "build.log"
        (self.source / "src").mkdir(parents=True)
        (self.source / "run").write_text("#!/bin/sh\nexec sleep 9\n")
        (self.source / "run").chmod(0o755)
        (self.source / "src" / "page").write_text("hello\n")
        (self.source / "junk").write_text("not committed")
        self.files = ["run", "src/page"]

    def build(self, run: str | None, folder: str = ".", command: str = "./run", **keys: Any) -> Release:
        service = Service.model_validate(
            {"project": ".", "build": {"run": run, "folder": folder}, "command": command, **keys}
        )
        recipe = folders.FolderRecipe(service, self.source, self.files, COMMIT, PATH)
        runner = ProcessRunner(SystemClock(), Masker())
        return asyncio.run(folders.build(recipe, folder=self.kept, log=self.log, budget=20.0, runner=runner))

    def refused(self, run: str, folder: str = ".", command: str = "./run", **keys: Any) -> DawsosError:
        with pytest.raises(DawsosError) as caught:
            self.build(run, folder, command, **keys)
        assert list(self.kept.glob("*")) == []
        return caught.value


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_release_is_what_the_build_made_of_the_committed_files(shop: Shop) -> None:
    made = shop.build("mkdir out; cp run out; tr a-z A-Z < src/page > out/page; ls > out/seen", "out")
    assert made.is_folder
    assert (made.app / "page").read_text() == "HELLO\n"
    assert (made.app / "seen").read_text().split() == ["out", "run", "src"]
    assert os.access(made.app / "run", os.X_OK)
    assert not os.access(made.app / "page", os.W_OK) or os.geteuid() == 0
    assert (made.commit, made.size) == (COMMIT.sha, sum(path.stat().st_size for path in made.app.iterdir()))
    assert bundle.load(shop.kept, made.digest) == made
    assert not (shop.source / "out").exists()


def test_without_a_command_the_files_are_taken_as_they_are(shop: Shop) -> None:
    made = shop.build(None)
    assert sorted(path.relative_to(made.app).as_posix() for path in made.app.rglob("*")) == ["run", "src", "src/page"]


def test_the_same_files_are_the_same_release_and_other_ones_another(shop: Shop) -> None:
    first = shop.build("true")
    assert shop.build("true").digest == first.digest
    (shop.source / "src" / "page").write_text("good bye\n")
    assert shop.build("true").digest != first.digest


def test_what_was_built_is_as_old_as_the_commit_and_knows_it(shop: Shop) -> None:
    made = shop.build("stat -c %Y src/page > age")
    assert (made.app / "age").read_text() == "1700000000\n"


def test_a_release_that_is_altered_is_refused(shop: Shop) -> None:
    made = shop.build("ln -s src/page link")
    for change in ("content", "more", "link"):
        copy = shop.kept.parent / change
        shutil.copytree(shop.kept, copy, symlinks=True)
        app = copy / made.digest / "app"
        if change == "content":
            (app / "src" / "page").chmod(0o644)
            (app / "src" / "page").write_text("other")
        elif change == "more":
            (app / "new").write_text("")
        else:
            (app / "link").unlink()
            (app / "link").symlink_to("run")
        with pytest.raises(InfrastructureError, match="altered"):
            bundle.load(copy, made.digest)
    assert bundle.load(shop.kept, made.digest) == made


def test_links_within_the_release_are_kept_and_made_again_after_an_archive(shop: Shop) -> None:
    made = shop.build("mkdir bin; ln -s ../src/page bin/page")
    assert (made.app / "bin" / "page").read_text() == "hello\n"
    assert bundle.known_links(made.path) == {"app/bin/page": "../src/page"}
    (made.app / "bin" / "page").unlink()
    assert not bundle.is_whole(shop.kept, made.digest)
    bundle.restore_links(shop.kept, made.digest)
    assert bundle.is_whole(shop.kept, made.digest)


@pytest.mark.parametrize(
    ("name", "target"), [("../../out", "src/page"), ("a/out", "../../../../etc/passwd"), ("out", "/etc/passwd")]
)
def test_a_link_of_an_archive_that_leads_out_is_not_made(shop: Shop, name: str, target: str) -> None:
    made = shop.build("true")
    manifest = json.loads((made.path / "release.json").read_text())
    (made.path / "release.json").chmod(0o644)
    (made.path / "release.json").write_text(json.dumps({**manifest, "links": {name: target}}))
    bundle.restore_links(shop.kept, made.digest)
    assert not [path for path in shop.kept.parent.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("echo no such module; exit 3", "no such module"),
        ("frobnicate", "name frobnicate in the programs"),
        ("rm -r run src", "made an empty folder"),
        ("ln -s /etc/passwd secret", "is a link to /etc/passwd, which is not in the release"),
        ("ln -s ../../x out", "is a link to ../../x"),
        ("mkfifo pipe", "pipe is no file, folder or link"),
        ("rm run", "service.command starts ./run, and the build made no such file"),
        ("chmod -x run", "which is not executable"),
    ],
)
def test_what_is_no_release_is_the_commits_fault_and_leaves_nothing(shop: Shop, run: str, words: str) -> None:
    error = shop.refused(run)
    assert isinstance(error, ReleaseFailed)
    assert words in str(error)


def test_a_build_that_makes_no_such_folder_is_told(shop: Shop) -> None:
    assert "made no folder dist" in str(shop.refused("true", "dist"))


@pytest.mark.parametrize(
    "said",
    [
        "npm error code ENOTFOUND",
        "go: dial tcp: lookup proxy.golang.org: no such host",
        "Could not transfer artifact org.x:y from/to central",
    ],
)
def test_a_registry_that_does_not_answer_is_no_fault_of_the_commit(shop: Shop, said: str) -> None:
    error = shop.refused(f"echo '{said}' >&2; exit 1")
    assert isinstance(error, InfrastructureError)
    assert "registry" in error.fix


def test_a_worker_that_is_not_there_is_told_and_a_shell_finds_its_own(shop: Shop) -> None:
    workers = [{"name": "clerk", "command": "./clerk"}]
    assert "worker clerk starts ./clerk" in str(shop.refused("true", workers=workers))
    assert shop.build("true", command="./made-later || exec ./run", shell=True).is_folder  # noqa: S604 - a key of pipeline.yaml


def test_a_release_of_another_kind_of_machine_does_not_run_here(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop.build("true")
    monkeypatch.setattr(bundle, "platform_name", lambda: "plan9-mips")
    with pytest.raises(InfrastructureError, match="this is plan9-mips"):
        bundle.load(shop.kept, made.digest)


def test_a_release_needs_the_programs_that_its_commands_start_and_not_those_of_its_build() -> None:
    jobs = [{"name": "nightly", "run": "env X=1 npx nightly"}]
    service = Service.model_validate(
        {"project": ".", "build": {}, "command": "cd app && exec node server.js", "jobs": jobs}
    )
    assert folders.needed(service, ("node", "npm", "npx", "go")) == ("node", "npx")

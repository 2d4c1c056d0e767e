"""A release is named by its content: the same files are the same release, another byte is another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wheels import wheels
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.git import Commit
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.release import Release
from dawsos.releases import bundle as release

COMMIT = Commit("c0ffee" * 6 + "abcd", "subject", "author", 1_700_000_000, "main")
FILES = {"app/__init__.py": "", "app/serve.py": "print(1)\n", "demo-1.dist-info/METADATA": "Name: demo\n"}


def sealed(folder: Path, files: dict[str, str] = FILES, commit: Commit = COMMIT) -> Release:
    return release._seal(written(folder / f"build-{len(list(folder.glob('*')))}", files), commit, folder)


def written(work: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        path = work / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return work


def test_the_same_content_is_the_same_release(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = sealed(one)
    os.utime(first.path, (0, 0))
    second = sealed(two, dict(reversed(FILES.items())))
    assert first.digest == second.digest
    assert sealed(one).path == first.path
    assert first.path.name == first.digest
    assert first.size == sum(len(text) for text in FILES.values())


@pytest.mark.parametrize(
    ("files", "commit"),
    [
        ({**FILES, "app/serve.py": "print(2)\n"}, COMMIT),
        ({**FILES, "app/new.py": ""}, COMMIT),
        ({"app/__init__.py": ""}, COMMIT),
        (FILES, Commit("0" * 40, "subject", "author", 1, "main")),
    ],
    ids=["a byte", "a file more", "files fewer", "another commit"],
)
def test_another_content_or_commit_is_another_release(files: dict[str, str], commit: Commit, tmp_path: Path) -> None:
    assert sealed(tmp_path, files, commit).digest != sealed(tmp_path).digest


def test_two_builds_of_one_commit_at_once_are_one_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, rename = threading.Barrier(2, timeout=20), os.rename

    def together(source: Path, target: Path) -> None:
        both.wait()  # neither has found the release of the other
        rename(source, target)

    monkeypatch.setattr(os, "rename", together)
    works = [written(tmp_path / f"build-{number}") for number in (1, 2)]
    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda work: release._seal(work, COMMIT, tmp_path), works))
    assert made[0] == made[1]


def test_a_sealed_release_cannot_be_written(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    assert not any(path.stat().st_mode & 0o222 for path in made.path.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["changed", "added", "removed", "manifest", "mode"])
def test_every_alteration_is_found_when_it_is_loaded(how: str, tmp_path: Path) -> None:
    made = sealed(tmp_path)
    assert release.load(tmp_path, made.digest) == made
    serve = made.site / "app" / "serve.py"
    if how == "changed":
        serve.chmod(0o644)
        serve.write_text("print(3)\n")
    elif how == "added":
        (made.site / "app" / "evil.py").write_text("")
    elif how == "removed":
        serve.unlink()
    elif how == "mode":
        serve.chmod(0o755)
    else:
        manifest = made.path / "release.json"
        facts = json.loads(manifest.read_text())
        manifest.chmod(0o644)
        manifest.write_text(json.dumps({**facts, "commit": "0" * 40}))
    with pytest.raises(InfrastructureError, match="was altered after it was built"):
        release.load(tmp_path, made.digest)


def test_a_release_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"release 000000000000 is not here") as refused:
        release.load(tmp_path, "0" * 64)
    assert refused.value.fix == "ship its commit again"


@pytest.mark.timeout(120)
def test_two_builds_are_one_release_and_a_namespace_has_the_files_of_all_its_owners(tmp_path: Path) -> None:
    """By the real pip and hatchling, in two places that share nothing, and once with the packages copied."""
    source = tmp_path / "source"
    for name, text in {
        "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "shop"\nversion = "1"\n[tool.hatch.build.targets.wheel]\npackages = ["acme"]\n',
        "acme/shop.py": "SELLS = True\n",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    lock = wheels(tmp_path / "wheels", {"acme-tools": {"acme/tools.py": "WORKS = True\n"}})
    runner = ProcessRunner(SystemClock(), Masker())

    def build(place: Path) -> Release:
        recipe = release.Recipe(source, lock, COMMIT)
        places = {"folder": place / "releases", "kept": place / "packages", "log": place / "log"}
        return asyncio.run(release.build(recipe, Path(sys.executable), runner=runner, **places))

    first = build(tmp_path / "one")
    assert {path.name for path in (first.site / "acme").glob("*.py")} == {"shop.py", "tools.py"}
    assert {path.name.partition(".")[0] for path in (first.site / "acme" / "__pycache__").iterdir()} == {
        "shop",
        "tools",
    }
    assert build(tmp_path / "two").digest == first.digest
    assert build(tmp_path / "one").digest == first.digest
    # The release is read-only, what it was copied from is not part of it.
    assert [path.name for path in first.path.iterdir() if path.name not in ("site", "release.json")] == []


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        ("acme/shop.py", "acme/shop.py", "acme/shop.py"),
        ("acme/shop/till.py", "acme/shop", "acme/shop"),
        ("acme/shop", "acme/shop/till.py", "acme/shop"),
        ("acme/shop.py", "acme/tools.py", None),
    ],
)
def test_own_code_may_not_take_the_place_of_a_package_s_file(
    ours: str, theirs: str, named: str | None, tmp_path: Path
) -> None:
    for place, name in (("own", ours), ("site", theirs)):
        for path, text in ((name, f"PLACE = {place!r}\n"), ("acme/__init__.py", "")):
            (tmp_path / place / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / path).write_text(text)
    if named is None:
        release._refuse_clashes(tmp_path / "own", tmp_path / "site")
        return
    with pytest.raises(ReleaseFailed, match=f"locked package install {named}\n"):
        release._refuse_clashes(tmp_path / "own", tmp_path / "site")


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("01"), max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_the_files(files: dict[str, str]) -> None:
    one = release._digest({"files": files})
    assert one == release._digest({"files": dict(reversed(files.items()))})
    assert one != release._digest({"files": {**files, "another": "0"}})


def test_a_link_that_was_put_into_a_release_is_found_when_it_is_loaded(tmp_path: Path) -> None:
    """A module that is a link is imported like any other."""
    made = sealed(tmp_path)
    (tmp_path / "elsewhere.py").write_text("print('not what was tested')\n")
    made.site.chmod(0o755)
    (made.site / "sitecustomize.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(InfrastructureError, match="was altered after it was built"):
        release.load(tmp_path, made.digest)

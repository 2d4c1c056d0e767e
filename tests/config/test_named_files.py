"""A file that pipeline.yaml names and the project has not is told before anything has run, all of them at once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from dawsos.config.load import load_pipeline
from dawsos.config.named_files import must_have_files
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.runs.project import gate_options

FILES = ("played.txt", "tools.txt", "docs.txt", "back/requirements.txt", "back/Dockerfile", "trust.json")
TEXT = f"""
version: 2
name: shop
slo: {{error_rate: 1%, warm_p95: 1s, cold_p95: 2s}}
toolchains:
  tools: {{requirements: tools.txt}}
  docs: {{requirements: docs.txt}}
  played: {{requirements: played.txt}}
service:
  project: back
  requirements: back/requirements.txt
  command: python -m shop
  images: [{{name: web, dockerfile: back/Dockerfile, base: "python@sha256:{"0" * 64}"}}]
stand_ins:
  mail: {{source: played, command: python -m mail, toolchain: played}}
environments: {{test: {{stand_ins: [mail]}}}}
stages:
  - {{id: test, uses: deploy, environment: test, gates: [exit_status]}}
  - {{id: lint, toolchain: tools, steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: pages, toolchain: docs, steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: build, uses: release, toolchain: tools, gates: [exit_status]}}
rollout: {{ladder: [{{weight: 100, duration: 1s}}]}}
signing: {{sigstore: auto, instance: trust.json}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "played").mkdir()
    return tmp_path


def pipeline(text: str = TEXT) -> Pipeline:
    return load_pipeline(text, "pipeline.yaml", gate_options())


def told(chosen: Pipeline, stages: Sequence[Stage], root: Path) -> list[str]:
    """Return the lines that are told of ``root``; none where everything is there."""
    try:
        must_have_files(chosen, stages, root)
    except BadInput as refused:
        return refused.message.splitlines()
    return []


def test_what_is_needed_is_all_of_the_files_and_nothing_else(root: Path) -> None:
    """With the files and no other one nothing is told; with any of them hidden, that one is."""
    assert told(pipeline(), pipeline().stages, root) == []
    for name in FILES:
        (root / name).rename(root / "hidden")
        assert [line.rpartition(" ")[2] for line in told(pipeline(), pipeline().stages, root)] == [name]
        (root / "hidden").rename(root / name)


def test_stand_ins_are_needed_by_stages_that_act_on_an_environment(root: Path) -> None:
    (root / "played").rmdir()
    (root / "played.txt").unlink()
    chosen = pipeline()
    assert len(told(chosen, [chosen.stage("test")], root)) == 2
    assert told(chosen, [chosen.stage("lint")], root) == []


def test_a_folder_is_no_file_and_a_file_is_no_folder(root: Path) -> None:
    (root / "tools.txt").unlink()
    (root / "tools.txt").mkdir()
    assert told(pipeline(), pipeline().stages, root) == [
        "pipeline.yaml: toolchains.tools.requirements: there is no file tools.txt"
    ]
    (root / "tools.txt").rmdir()
    (root / "tools.txt").touch()
    elsewhere = TEXT.replace("back/requirements.txt", "docs.txt").replace("back/Dockerfile", "docs.txt")
    shutil.rmtree(root / "back")
    (root / "back").touch()
    chosen = pipeline(elsewhere)
    assert told(chosen, chosen.stages, root) == ["pipeline.yaml: service.project: there is no folder back"]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("tools.txt", "toolchains.tools.requirements: there is no file tools.txt"),
        ("docs.txt", "toolchains.docs.requirements: there is no file docs.txt"),
        ("played.txt", "toolchains.played.requirements: there is no file played.txt"),
        ("played", "stand_ins.mail.source: there is no folder played"),
        ("back/requirements.txt", "service.requirements: there is no file back/requirements.txt"),
        ("back/Dockerfile", "service.images.web.dockerfile: there is no file back/Dockerfile"),
        ("trust.json", "signing.instance: there is no file trust.json"),
    ],
)
def test_each_is_told_by_its_place(gone: str, said: str, root: Path) -> None:
    (root / gone).rmdir() if (root / gone).is_dir() else (root / gone).unlink()
    with pytest.raises(BadInput) as refused:
        must_have_files(pipeline(), pipeline().stages, root, " in commit c0ffee00")
    assert refused.value.message == f"pipeline.yaml: {said} in commit c0ffee00"


def test_all_are_told_at_once_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        must_have_files(pipeline(), pipeline().stages, tmp_path)
    assert len(refused.value.message.splitlines()) == len(FILES) + 2  # and the two folders
    assert "service.project: there is no folder back" in refused.value.message


def test_only_what_the_chosen_stages_need_is_asked_for(root: Path) -> None:
    for name in ("docs.txt", "back/requirements.txt", "back/Dockerfile", "trust.json"):
        (root / name).unlink()
    unsigned = pipeline(TEXT.replace("sigstore: auto", "sigstore: 'off'"))
    assert told(unsigned, [unsigned.stage("lint")], root) == []
    with pytest.raises(BadInput, match=r"docs\.txt"):
        must_have_files(unsigned, [unsigned.stage("pages")], root)


def test_a_list_that_was_made_from_another_lock_is_refused_until_it_is_made_anew(root: Path) -> None:
    """The stages would run with what was locked before, and say that all is well."""
    (root / "uv.lock").write_text("first")
    head = "# Made by `dawsos init` for this platform, from uv.lock sha256:"
    (root / "tools.txt").write_text(f"{head}{hashlib.sha256(b'first').hexdigest()}\nruff==0.14\n")
    assert told(pipeline(), pipeline().stages, root) == []
    (root / "uv.lock").write_text("second")
    with pytest.raises(BadInput, match=r"tools\.txt was made from another uv\.lock") as refused:
        must_have_files(pipeline(), pipeline().stages, root)
    assert "dawsos init --lists" in (refused.value.fix or "")
    (root / "uv.lock").unlink()
    assert told(pipeline(), pipeline().stages, root) == ["tools.txt was made from uv.lock, which is not there any more"]

"""A file that pipeline.yaml names and the project has not is told before anything has run, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.config.load import load_pipeline
from dawsos.config.named_files import must_have_files
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

FILES = ("tools.txt", "docs.txt", "back/requirements.txt", "back/Dockerfile", "trust.json")
TEXT = f"""
version: 1
name: shop
slo: {{error_rate: 1%, warm_p95: 1s, cold_p95: 2s}}
toolchains:
  tools: {{requirements: tools.txt}}
  docs: {{requirements: docs.txt}}
service:
  project: back
  requirements: back/requirements.txt
  command: python -m shop
  images: [{{name: web, dockerfile: back/Dockerfile, base: "python@sha256:{"0" * 64}"}}]
stages:
  - {{id: lint, toolchain: tools, steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: pages, toolchain: docs, steps: [{{run: "true"}}], gates: [exit_status]}}
  - {{id: build, uses: release, toolchain: tools, gates: [exit_status]}}
rollout: {{ladder: [{{weight: 100, duration: 1s}}], error_rate: 1%, p95: 1s}}
signing: {{sigstore: auto, instance: trust.json}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def pipeline(text: str = TEXT) -> Pipeline:
    return load_pipeline(text, "pipeline.yaml", gate_options())


def test_with_all_of_them_nothing_is_said(root: Path) -> None:
    must_have_files(pipeline(), pipeline().stages, root)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("tools.txt", "toolchains.tools.requirements: there is no file tools.txt"),
        ("docs.txt", "toolchains.docs.requirements: there is no file docs.txt"),
        ("back/requirements.txt", "service.requirements: there is no file back/requirements.txt"),
        ("back/Dockerfile", "service.images.web.dockerfile: there is no file back/Dockerfile"),
        ("trust.json", "signing.instance: there is no file trust.json"),
    ],
)
def test_each_is_told_by_its_place(gone: str, said: str, root: Path) -> None:
    (root / gone).unlink()
    with pytest.raises(BadInput) as refused:
        must_have_files(pipeline(), pipeline().stages, root, " in commit c0ffee00")
    assert refused.value.message == f"pipeline.yaml: {said} in commit c0ffee00"


def test_all_are_told_at_once_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        must_have_files(pipeline(), pipeline().stages, tmp_path)
    assert len(refused.value.message.splitlines()) == len(FILES) + 1
    assert "service.project: there is no folder back" in refused.value.message


def test_only_what_the_chosen_stages_need_is_asked_for(root: Path) -> None:
    for name in ("docs.txt", "back/requirements.txt", "back/Dockerfile", "trust.json"):
        (root / name).unlink()
    unsigned = pipeline(TEXT.replace("sigstore: auto", "sigstore: 'off'"))
    must_have_files(unsigned, [unsigned.stage("lint")], root)
    with pytest.raises(BadInput, match=r"docs\.txt"):
        must_have_files(unsigned, [unsigned.stage("pages")], root)

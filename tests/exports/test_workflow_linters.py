"""actionlint, zizmor and the published schemas of GitHub and GitLab find nothing in what is exported."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.exporters import github_actions, gitlab_ci
from dawsos.model.exports import GithubActionsOptions, GitlabCiOptions
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load
from exporters.pipelines import BUILD, LINT, WHOLE, pipeline
from support.workflows import ROOT, run

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_SIGNING = """\
signing: {sigstore: required, identity: "https://github.com/acme/shop/.github/workflows/deploy.yml@refs/heads/main", issuer: "https://token.actions.githubusercontent.com"}
environments: {staging: {replicas: 1}, production: {replicas: 1, pass_env: [API_KEY]}}
"""
REGIONS = "environments: {eu: {replicas: 1}, us: {replicas: 1}}"
PROJECTS: dict[str, Callable[[], Pipeline]] = {
    "dawsos": lambda: load(ROOT),
    "drills": lambda: load(ROOT / "bench" / "drill_service"),
    **{
        path.parent.name: lambda path=path: load(path.parent)  # type: ignore[misc]
        for path in sorted((ROOT / "tests" / "pipelines").glob("*/pipeline.yaml"))
        if path.parent.name not in ("cycle", "older", "unknown-gate")
    },
    "sigstore": lambda: pipeline(*WHOLE, more=_SIGNING),
    "hotfix": lambda: pipeline(LINT.replace("budget", "hotfix_skips: true, budget"), *WHOLE[1:]),
    "parallel": lambda: pipeline(
        LINT, BUILD,
        *(f"{{id: {name}, needs: [build], uses: deploy, environment: {name}, gates: [exit_status]}}" for name in ("eu", "us")),
        more=REGIONS,
    ),
}  # fmt: skip


def exported(folder: Path, files: dict[str, str]) -> None:
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("name", PROJECTS)
@pytest.mark.parametrize("command", ["dawsos", "./dawsos"])
def test_the_workflows_are_clean(name: str, command: str, tmp_path: Path) -> None:
    made = PROJECTS[name]()
    options = made.exports.github_actions or GithubActionsOptions(command=command)
    exported(tmp_path, dict(github_actions.render(made, options)))
    workflows = sorted(str(path) for path in tmp_path.glob(".github/workflows/*.yml"))
    assert workflows
    for program, *arguments in (
        ("actionlint", "-color=false", "-shellcheck=", "-pyflakes="),
        ("zizmor", "--offline", "--no-progress", "--color=never", "--persona=pedantic", ".github"),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows),
    ):
        found = run(program, *arguments, folder=tmp_path)
        assert found.code == 0, found.text


@pytest.mark.parametrize("name", PROJECTS)
def test_the_gitlab_pipeline_is_what_gitlab_s_schema_allows(name: str, tmp_path: Path) -> None:
    made = PROJECTS[name]()
    exported(tmp_path, dict(gitlab_ci.render(made, made.exports.gitlab_ci or GitlabCiOptions())))
    found = _against_gitlab(tmp_path)
    assert found == (0, ""), found


def _against_gitlab(folder: Path) -> tuple[int, str]:
    said = run(
        "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml",
        folder=folder,
    )  # fmt: skip
    return said.code, said.text if said.code else ""


@pytest.mark.parametrize(
    ("old", "new", "program"),
    [
        ("runs-on: ubuntu-latest", "runs-on: ubuntu-oldest", "actionlint"),
        ("needs:\n      - quality-gates", "needs:\n      - quality", "actionlint"),
        ("steps.approver.outputs.name", "steps.aprover.outputs.name", "actionlint"),
        ("          persist-credentials: false\n", "", "zizmor"),
        ("    permissions:\n      contents: read\n    steps", "    permissions: write-all\n    steps", "zizmor"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "zizmor"),
        ('--as "$ASKED_BY"', '--as "${{ github.event.inputs.reason }}"', "zizmor"),
        ("timeout-minutes: ", "timeout-minuts: ", "check-jsonschema"),
    ],
)
def test_the_linters_find_what_is_wrong(old: str, new: str, program: str, tmp_path: Path) -> None:
    files = dict(github_actions.render(pipeline(*WHOLE), GithubActionsOptions()))
    assert any(old in text for text in files.values())
    exported(tmp_path, {name: text.replace(old, new) for name, text in files.items()})
    arguments = {
        "actionlint": ("-color=false", "-shellcheck=", "-pyflakes="),
        "zizmor": ("--offline", "--no-progress", "--color=never", ".github"),
        "check-jsonschema": ("--builtin-schema", "vendor.github-workflows", ".github/workflows/deploy.yml"),
    }[program]
    assert run(program, *arguments, folder=tmp_path).code != 0


def test_gitlab_s_schema_finds_what_is_wrong(tmp_path: Path) -> None:
    (text,) = gitlab_ci.render(pipeline(*WHOLE), GitlabCiOptions()).values()
    exported(tmp_path, {".gitlab-ci.yml": text.replace("on_new_commit: conservative", "on_new_commit: gently")})
    assert _against_gitlab(tmp_path)[0] != 0


def test_a_pipeline_that_ci_cannot_carry_out_is_refused_before_a_file_is_written() -> None:
    with pytest.raises(BadInput):
        github_actions.render(pipeline(*WHOLE[:-1]), GithubActionsOptions())

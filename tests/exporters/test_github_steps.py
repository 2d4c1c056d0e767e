"""The steps hand on results, report and approval, and no event's text gets into a command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dawsos.exporters import github_steps as steps
from dawsos.exporters.ci_jobs import ci_jobs
from dawsos.model.exports import CiOptions
from dawsos.model.pipeline import Toolchain
from exporters.pipelines import LINT, WHOLE, pipeline

MADE, OPTIONS = pipeline(*WHOLE), CiOptions()
JOBS = ci_jobs(MADE)
GATES, BUILD, STAGING, PRODUCTION = JOBS


def named(found: list[steps.Step], name: str) -> steps.Step:
    return next(step for step in found if step["name"] == name)


def test_the_name_of_a_file_ends_no_text_of_an_expression() -> None:
    tools = {"tools": Toolchain(requirements="it's', github.token, '.txt")}
    made = MADE.model_copy(update={"toolchains": tools})
    key = named(steps.prepared(made, OPTIONS, None), "Keep the toolchains")["with"]["key"]
    assert "hashFiles('it''s'', github.token, ''.txt')" in key


def test_an_action_is_called_at_a_commit_with_its_tag_beside_it() -> None:
    step = steps.uses("actions/cache/save", "Keep", {"path": "x"})
    assert step == {
        "name": "Keep",
        "uses": "actions/cache/save@27d5ce7f107fe9357f9df03efb73ab90386fccae",
        "with": {"path": "x"},
    }
    assert steps.commented(f"uses: {step['uses']}\n").endswith("# v5.0.5\n")
    for commit, tag in steps.PINS.values():
        assert re.fullmatch("[0-9a-f]{40}", commit)
        assert re.fullmatch(r"v\d+\.\d+\.\d+", tag)


def test_a_permission_says_what_it_is_for() -> None:
    assert (
        steps.commented("      id-token: write\n") == "      id-token: write # the identity that sigstore certifies\n"
    )


def test_the_first_job_takes_the_results_of_earlier_runs_and_keeps_its_own_also_when_it_is_red() -> None:
    taken = steps.results_before(GATES, MADE, OPTIONS, None)
    assert [step.get("uses", "").partition("@")[0] for step in taken] == ["actions/cache/restore", ""]
    assert taken[1]["if"] == "steps.results.outputs.cache-matched-key != ''"
    kept = steps.results_after(GATES, MADE, OPTIONS, None, needed=True)
    assert [step["name"] for step in kept] == [
        "Save the results", "Keep the results for later runs", "Hand the results on",
    ]  # fmt: skip
    assert kept[0]["if"] == kept[1]["if"] == "${{ !cancelled() }}"
    assert kept[1]["with"]["key"] == taken[0]["with"]["key"]
    assert kept[1]["with"]["key"].startswith(taken[0]["with"]["restore-keys"])


def test_a_later_job_takes_what_the_job_before_it_hands_on() -> None:
    (download, load) = steps.results_before(BUILD, MADE, OPTIONS, None)
    upload = named(steps.results_after(GATES, MADE, OPTIONS, None, needed=True), "Hand the results on")
    assert download["with"]["name"] == upload["with"]["name"]
    assert load["env"]["RESULTS"] == f"{download['with']['path']}/results.tar.gz"
    assert load["run"] == 'dawsos results load "$RESULTS"'
    assert steps.results_after(PRODUCTION, MADE, OPTIONS, "/srv/shop", needed=False) == []


def test_only_commands_that_sign_get_the_key() -> None:
    prepared = steps.prepared(MADE, OPTIONS, None)
    assert not any("DAWSOS_SIGNING_KEY" in step.get("env", {}) for step in prepared)
    assert steps.trust(MADE)["DAWSOS_SIGNING_KEY"] == "${{ secrets.DAWSOS_SIGNING_KEY }}"
    signing = "signing: {sigstore: required, identity: me, issuer: https://issuer.example}"
    assert list(steps.trust(pipeline(LINT, more=signing))) == ["DAWSOS_TRUSTED_KEYS"]


def test_where_a_folder_is_kept_the_tool_lies_with_it_and_nothing_is_cached() -> None:
    hosted, kept = steps.prepared(MADE, OPTIONS, None), steps.prepared(MADE, OPTIONS, "/srv/shop")
    assert {step["name"] for step in hosted} - {step["name"] for step in kept} == {"Keep the toolchains"}
    assert named(kept, "Install dawsos")["env"]["TOOL"].startswith("/srv/shop/installed/dawsos-pipeline-")
    locked = steps.prepared(MADE, CiOptions(requirements="ci.txt"), "/srv/shop")
    assert "hashFiles('ci.txt')" in named(locked, "Install dawsos")["env"]["TOOL"]
    own = steps.prepared(MADE, CiOptions(command="./dawsos"), None)
    assert "Install dawsos" not in {step["name"] for step in own}


def test_a_job_ships_its_stages_and_says_who_approved() -> None:
    assert steps.ship(GATES, MADE, OPTIONS)["run"] == "dawsos ship --profile production lint"
    assert steps.ship(PRODUCTION, MADE, OPTIONS)["env"]["API_KEY"] == "${{ secrets.API_KEY }}"
    asks, approves = steps.approvals(PRODUCTION, JOBS, MADE, OPTIONS)
    assert asks["if"] == approves["if"] == "needs.deploy-staging.outputs.waiting == 'true'"
    assert 'dawsos approve "$RUN" --as "$APPROVER"' in approves["run"]
    assert approves["env"]["RUN"] == "${{ needs.deploy-staging.outputs.run }}"
    assert "waiting=true" in steps.ship(STAGING, MADE, OPTIONS)["run"]
    assert set(steps.outputs(STAGING)) == {"waiting", "run"}
    assert steps.approvals(STAGING, JOBS, MADE, OPTIONS) == []
    assert steps.outputs(PRODUCTION) == {}


def test_the_reason_of_a_hotfix_is_a_variable_of_the_command() -> None:
    made = pipeline(LINT.replace("budget", "hotfix_skips: true, budget"))
    step = steps.ship(ci_jobs(made)[0], made, OPTIONS)
    assert '${HOTFIX:+--hotfix "$HOTFIX"}' in step["run"]
    assert step["env"]["HOTFIX"] == "${{ inputs.hotfix }}"
    assert "HOTFIX" not in steps.ship(GATES, MADE, OPTIONS)["env"]


def collected(tmp_path: Path, *runs: str) -> dict[str, str]:
    """Run the step that collects the report; return the files that it took, and what it told GitHub."""
    (tmp_path / "begun").touch()
    os.utime(tmp_path / "begun", (1000, 1000))
    for number, name in enumerate(runs):
        folder = tmp_path / "home" / "runs" / name
        folder.mkdir(parents=True)
        (folder / "report.html").write_text(name)
        (folder / "findings.sarif").touch()
        os.utime(folder, (2000 + number, 2000 + number))
    (tmp_path / "home" / "runs").mkdir(parents=True, exist_ok=True)
    step = steps.report("gates", str(tmp_path / "home"), sarif=True)[0]
    variables = {
        "BEGUN": str(tmp_path / "begun"),
        "REPORT": str(tmp_path / "report"),
        "GITHUB_OUTPUT": str(tmp_path / "told"),
    }
    subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env={**os.environ, **variables}, check=True)
    found = {path.name: path.read_text() for path in (tmp_path / "report").glob("*")}
    return found | {"told": (tmp_path / "told").read_text() if (tmp_path / "told").exists() else ""}


def test_the_report_is_that_of_the_newest_run_of_this_job(tmp_path: Path) -> None:
    found = collected(tmp_path, "20261130-010000-a", "20261130-020000-b")
    assert (found["report.html"], found["told"]) == ("20261130-020000-b", "run=20261130-020000-b\nfindings=true\n")


def test_a_job_that_ran_nothing_has_no_report_and_no_findings(tmp_path: Path) -> None:
    assert collected(tmp_path) == {"told": ""}


@contextmanager
def github(reviews: Any) -> Iterator[dict[str, str]]:
    """Answer as GitHub's API does; yields the variables of a job whose API this is.  ``asked`` of the server has the requests."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, str(self.headers["Authorization"])))
            body = json.dumps(reviews).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {
                "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
                "GITHUB_REPOSITORY": "acme/shop",
                "GITHUB_RUN_ID": "7",
            }
        finally:
            server.shutdown()
            thread.join()
    assert asked == [("/repos/acme/shop/actions/runs/7/approvals", "Bearer secret")]


def review(login: str, state: str = "approved", environment: str = "production") -> dict[str, Any]:
    return {
        "state": state,
        "comment": "fine\nname=mallory",
        "environments": [{"name": environment}],
        "user": {"login": login},
    }


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("reviews", "told"),
    [
        ([review("ada")], "name=ada\n"),
        ([review("ada"), review("bob", environment="staging")], "name=ada\n"),
        ([review("ada"), review("dependabot[bot]")], "name=dependabot[bot]\n"),
        ([], ""),
        ([review("ada", "rejected")], ""),
        ([review("ada\nname=mallory")], ""),
    ],
    ids=["one", "of this environment", "the last", "nobody", "rejected", "no login"],
)
def test_who_approved_is_who_reviewed_the_environment(reviews: Any, told: str, tmp_path: Path) -> None:
    step = steps.approvals(PRODUCTION, JOBS, MADE, OPTIONS)[0]
    with github(reviews) as variables:
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "TOKEN": "secret",
            "ENVIRONMENT": step["env"]["ENVIRONMENT"], "GITHUB_OUTPUT": str(tmp_path / "told"), **variables,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]], env=environment, capture_output=True, text=True, check=False
        )
    assert (done.returncode == 0) == bool(told), done.stderr
    assert (tmp_path / "told").read_text() == told

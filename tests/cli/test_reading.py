"""The verbs that only look: what a person and a program are told, and the exit codes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from dawsos.cli import reading
from dawsos.model.events import CheckResult
from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from projects import Said, called
from support.paper import Paper, alter
from verbs.on_paper import given_to_verbs
from verbs.test_status import NEWER, OLDER, started
from verbs.test_verify import ILL, WELL, answers

RUN = "20260301-120000-c0ffee0-01"
Call = Callable[..., Said]


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    made = Paper(tmp_path / "project")
    monkeypatch.chdir(made.project.root)
    monkeypatch.delenv("DAWSOS_HOME", raising=False)
    return made


@pytest.fixture
def call(paper: Paper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: called(monkeypatch, capsys, *arguments)


def ended(paper: Paper, run: str = RUN) -> None:
    finish(paper.session(run), paper.pipeline, RunResult.FAILED, f"because of {run[-2:]}")


def test_history_in_words_and_in_json(paper: Paper, call: Call) -> None:
    assert call("history").out == "no run yet; dawsos ship starts the first\n"
    ended(paper)
    (row,) = call("history", "--json").json
    assert row == {
        "command": "ship", "commit": row["commit"], "reason": "because of 01", "release": "", "result": "failed",
        "run": RUN, "seconds": row["seconds"], "started_at": row["started_at"],
    }  # fmt: skip
    assert "because of 01" in call("history").out


@pytest.mark.parametrize("verb", [reading.history, partial(reading.show, run_id="last")], ids=["history", "show"])
def test_a_terminal_without_unicode_gets_signs_that_it_has(
    verb: Callable[..., None], paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(paper)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    verb(as_json=False)
    stream.flush()
    assert b"because of 01" in stream.buffer.getvalue()
    assert b"?" not in stream.buffer.getvalue()


def test_status_in_words_and_in_json(paper: Paper, call: Call) -> None:
    started(paper)
    paper.session(RUN)
    assert "production" in call("status").out
    told = call("status", "--json").json
    assert set(told) == {"environments", "unfinished"}
    assert told["environments"][0] == {
        "name": "production", "processes": [], "roles": {"canary": OLDER, "stable": NEWER}, "running": False,
        "url": "http://127.0.0.1:7", "weight": 25, "platform": "local", "notes": [],
    }  # fmt: skip
    assert told["unfinished"] == [{"command": "ship", "owner": None, "reason": "", "result": "", "run": RUN}]


def test_a_run_is_shown_with_whether_its_journal_is_intact(paper: Paper, call: Call) -> None:
    ended(paper)
    said = call("show").out
    assert "journal  intact, 2 events, summary signed" in said
    assert f"report   {paper.project.report(RUN)}\n" in said
    told = call("show", "01", "--json").json
    assert (told["id"], told["journal_problems"], told["report"]) == (RUN, [], str(paper.project.report(RUN)))
    assert {"headline", "not_checked", "stages", "rollout", "approvals"} <= told.keys()
    alter(paper)
    assert "intact" not in call("show").out


def test_a_plan_in_words_and_in_json(paper: Paper, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "pipeline.yaml", "requirements.txt"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=paper.project.root, check=True)
    stages = call("plan", "--profile", "production", "--json").json["stages"]
    assert set(stages[0]) == {"action", "changes", "fingerprint", "reason", "stage"}
    assert (stages[0]["action"], stages[0]["changes"], len(stages[0]["fingerprint"])) == ("run", [], 64)
    assert "never passed here" in call("plan", "--profile", "production", "--explain").out


@pytest.mark.parametrize(
    ("status", "word", "found", "code"),
    [(200, "healthy", WELL, 0), (503, "degraded", ILL, 1)],
    ids=["well", "ill"],
)
def test_verify_ends_with_what_it_found(
    status: int, word: str, found: CheckResult, code: int, paper: Paper, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_to_verbs(paper, monkeypatch)
    answers(monkeypatch, status, word)
    paper.serve(paper.release())
    ended(paper)
    said = call("verify")
    assert said.code == code
    # One line a check; what pipeline.yaml does not name is said, and is no failure.
    assert f"{found.result:11}  health                 {found.measured}  (wanted 200 healthy)\n" in said.out
    assert "pass         journals               intact  (wanted intact)\n" in said.out
    assert (
        "not checked  trace                  not configured: environments.production.observability.traces\n" in said.out
    )
    assert said.out.endswith(f"{4 - code} passed, {code} failed, 4 not checked\n")
    told = call("verify", "--json")
    assert (told.code, told.json["checks"][0]) == (code, asdict(found))
    assert told.json["checks"][0].keys() == {"name", "result", "measured", "limit"}
    assert {key: told.json[key] for key in ("passed", "failed", "not_checked")} == {
        "passed": 4 - code, "failed": code, "not_checked": 4,
    }  # fmt: skip
    alter(paper)
    assert call("verify").code == 1


def test_evidence_of_a_run_that_built_nothing_is_bad_input(paper: Paper, call: Call) -> None:
    ended(paper)
    said = call("evidence", "--verify")
    assert (said.code, "built no release" in said.err) == (2, True)


def test_evidence_in_words_and_in_json(paper: Paper, call: Call) -> None:
    session = paper.session(RUN)
    paper.built(session, paper.release())
    finish(session, paper.pipeline, RunResult.FAILED, "because of 01")
    plain = call("evidence", "--json")
    assert (plain.code, set(plain.json)) == (0, {"release", "run", "commit", "statements"})
    assert f"folder   {paper.project.evidence(RUN)}\n" in call("evidence").out
    # It says of itself that it was built, and nobody signed that.
    checked = call("evidence", "--verify", "--json")
    assert set(checked.json) == {"release", "run", "commit", "statements", "verified", "problems"}
    assert checked.json["verified"] is (checked.code == 0)
    assert checked.json["verified"] is not bool(checked.json["problems"])


def test_metrics_are_printed_as_they_are(paper: Paper, call: Call) -> None:
    ended(paper)
    said = call("metrics")
    assert said.out.startswith("# HELP ci_pipeline_runs_total")
    assert 'outcome="failed",result="failure"} 1\n' in said.out


def test_metrics_that_are_served_say_where(paper: Paper, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(_pages: object, port: int, ready: Callable[[int], None]) -> None:
        ready(port)

    monkeypatch.setattr("dawsos.verbs.metrics.serve_pages", serve)
    said = call("metrics", "--listen")
    assert said.out == "metrics  http://127.0.0.1:9845/metrics\ntargets  http://127.0.0.1:9845/targets\n"
    assert "127.0.0.1:8000" in call("metrics", "--listen", "8000").out


@pytest.mark.parametrize("where", ["0.0.0.0:80", "localhost", "-1", "65536", "0.0.0.0"])
def test_metrics_are_served_nowhere_else(where: str, call: Call) -> None:
    said = call("metrics", f"--listen={where}")
    assert said.code == 2
    assert "127.0.0.1 and nowhere else" in said.err

"""A journal of commit 9091e4c, before events had typed payloads: every later version must read it and tell the same of it.

``journal_9091e4c.jsonl`` holds the rows that this commit wrote: one small service shipped, approved, rejected, rolled back,
drilled, killed and resumed on the local platform; every kind of event of that day occurs.  One thing was changed: the
signed statements of the approvals are cut short (a scan for secrets takes a signature for a key), and the chain of hashes
was computed anew with that commit's code.
"""

from __future__ import annotations

import io
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from dawsos.analysis.replay import replay
from dawsos.analysis.samples import from_facts
from dawsos.model.fold import fold
from dawsos.model.metrics import Known
from dawsos.model.metrics_fold import fold_metrics
from dawsos.model.policy import RolloutPolicy
from dawsos.model.run import Run
from dawsos.reporting import summary, tables
from dawsos.reporting.prometheus import render_metrics
from dawsos.runs.journal import Journal
from fakes import VirtualClock

ROWS = [json.loads(line) for line in Path(__file__).with_name("journal_9091e4c.jsonl").read_text().splitlines()]
RUNS = list(dict.fromkeys(str(row["run"]) for row in ROWS))
_COLUMNS = ("run", "seq", "at", "kind", "stage", "body", "prev", "hash")


@dataclass(frozen=True)
class Told:
    """What the report of a run says: parts of its headline, the rule that rolled back, where something was not checked."""

    command: str
    result: str
    headline: tuple[str, ...]
    rule: tuple[str, str, str] | None = None
    remarks: tuple[str, ...] = ()


_NOT_AUDITED, _SYNTHETIC, _POWER = "security · vulnerabilities", "canary traffic", "canary power"
_JUDGED = (
    "the canary answers with an error more often than stable does: 11 of 26 requests against 0 of 95 in the last 3 s; "
    "a healthy canary looks so bad in fewer than 1 of 110 rollouts"
)
TOLD = {
    "20261129-205505-376d176-df": Told("run", "failed", ("lint", "findings", "1 findings in 1 files", "at most 0")),
    "20261129-205506-71601a3-37": Told(
        "ship", "rolled_back", ("first release was withdrawn", "error rate 50.00% > 0.50% (5 of 10 requests)"),
        ("error rate", "50.00 %", "0.50 %"), (_NOT_AUDITED, _SYNTHETIC, "canary comparison"),
    ),
    "20261129-205526-67434be-12": Told(
        "ship", "rejected", ("Bob", "wrong totals", "Production was not touched"), None, (_NOT_AUDITED, "1 stage", "cache")
    ),
    "20261129-205530-b0f6c7d-66": Told(
        "ship", "passed", ("b0f6c7d1", "7 stages", "promoted to 100 %"), None,
        (_NOT_AUDITED, _SYNTHETIC, "canary comparison", "cache"),
    ),
    "20261129-205540-a1c0fc4-2b": Told(
        "ship", "rolled_back", ("from 25 %", _JUDGED), ("the judge's comparison", f"{_JUDGED} (evidence 117 of 111)", ""),
        ("working tree", _NOT_AUDITED, "chaos", _SYNTHETIC, _POWER, "cache"),
    ),
    "20261129-205558-b0f6c7d-f7": Told(
        "drill", "rolled_back", ("crash", "from 25 %", "crash loop: 3 restarts"),
        ("crash loop", "3 restarts", "fewer than 3 in 5 min 00 s"), (_SYNTHETIC, _POWER),
    ),
    "20261129-205604-b0f6c7d-17": Told(
        "drill", "rolled_back", ("pack", "pricing_pack_build_failures_total rose by 1"),
        ("pricing_pack_build_failures_total", "1", "0"), (_SYNTHETIC, _POWER),
    ),
    "20261129-205629-7d068eb-ed": Told(
        "ship", "passed", ("7d068ebe", "promoted to 100 %"), None, (_NOT_AUDITED, "build", _SYNTHETIC, _POWER, "cache")
    ),
    "20261129-205639-4580455-3a": Told(
        "ship", "rolled_back", ("from 25 %", "Bob", "wrong colours"), ("a person", "asked for by Bob: wrong colours", ""),
        (_NOT_AUDITED, _SYNTHETIC, _POWER, "cache", "cache"),
    ),
    "20261129-205648-b0f6c7d-00": Told(
        "rollback", "passed", ("Bob", "the release before", "0.0088 s"),
        ("a person", "asked for by Bob: the release before", ""),
    ),
    "20261129-205650-47665a1-2e": Told("run", "failed", ("chaos", "budget of 1 s", "Production was not touched")),
    "20261129-205651-b0f6c7d-69": Told(
        "drill", "passed", ("Drill without a fault", "promoted"), None, (_SYNTHETIC, _POWER)
    ),
    "20261129-205709-b0f6c7d-9d": Told(
        "drill", "rolled_back", ("latency=2s", "p95 2180 ms > 1200 ms"), ("p95", "2.18 s", "1.20 s"), (_SYNTHETIC,)
    ),
    "20261129-205719-1ac0c55-9d": Told(
        "ship", "passed", ("1ac0c55b", "7 stages", "promoted to 100 %"), None, (_NOT_AUDITED, _SYNTHETIC, _POWER, "cache")
    ),
    # Killed in the rollout, and nobody went on with it.
    "20261129-205735-ad33197-e0": Told(
        "ship", "", ("Running", "25 %"), None, (_NOT_AUDITED, _SYNTHETIC, _POWER, "cache")
    ),
    "20261129-205837-732dd0d-a2": Told(
        "ship", "infrastructure", ("chaos", "killed by signal 9"), None, (_NOT_AUDITED, "4 stages", "signing key", "cache")
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    folder = tmp_path_factory.mktemp("journal")
    Journal(folder, VirtualClock()).close()
    with sqlite3.connect(folder / "journal.sqlite") as db:
        db.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [[row[name] for name in _COLUMNS] for row in ROWS]
        )
    db.close()
    return Journal(folder, VirtualClock())


def folded(journal: Journal, run: str) -> Run:
    return fold(journal.events(run))


def test_every_kind_of_event_of_that_day_is_in_it() -> None:
    assert len({row["kind"] for row in ROWS}) == 25


def test_all_runs_are_found_in_the_order_in_which_they_began(journal: Journal) -> None:
    assert journal.runs() == RUNS == list(TOLD)


@pytest.mark.parametrize("run", RUNS)
def test_the_chain_verifies(journal: Journal, run: str) -> None:
    assert journal.verify(run) == []
    assert journal.head(run)[0] == len(journal.events(run)) == sum(row["run"] == run for row in ROWS)


@pytest.mark.parametrize("run", RUNS)
def test_the_run_is_told_as_that_commit_told_it(journal: Journal, run: str) -> None:
    state, told = folded(journal, run), TOLD[run]
    assert (state.id, state.command, state.result) == (run, told.command, told.result)
    assert [part for part in told.headline if part not in summary.headline(state)] == []
    assert tuple(remark.where for remark in summary.not_checked(state)) == told.remarks
    if told.rule is not None:
        assert state.rollout is not None
        rule = summary.fired_rule(state.rollout)
        assert (rule.name, rule.measured, rule.limit) == told.rule


@pytest.mark.parametrize("run", RUNS)
def test_the_page_of_the_run_shows_its_headline_and_remarks(journal: Journal, run: str) -> None:
    state = folded(journal, run)
    page = Console(file=io.StringIO(), width=2000, color_system=None, legacy_windows=False)
    page.print(tables.render_run(state))
    assert isinstance(page.file, io.StringIO)
    text = page.file.getvalue()
    assert summary.headline(state) in text
    assert [remark.what for remark in summary.not_checked(state) if remark.what not in text] == []


def test_a_rollout_keeps_its_samples_weights_and_end(journal: Journal) -> None:
    run = folded(journal, "20261129-205540-a1c0fc4-2b")
    rollout = run.rollout
    assert rollout is not None
    assert (rollout.outcome, rollout.decision, rollout.traffic) == ("rolled_back", "rollback", "synthetic")
    assert (rollout.rollback_seconds, rollout.drained, rollout.reason) == (0.006, 0.006, _JUDGED)
    assert [weight for _, weight in rollout.weights] == [25, 0]
    assert rollout.ladder == (25, 100)
    assert len(rollout.samples) == 5
    assert rollout.stable_deployment == "e7afa360-0f6c7d-66"
    shown = Console(file=io.StringIO(), width=200, color_system=None)
    shown.print(tables.canary_lines(rollout, ascii_only=True))
    assert isinstance(shown.file, io.StringIO)
    assert "42.31 %" in shown.file.getvalue()


@pytest.mark.parametrize(
    "run",
    ["20261129-205506-71601a3-37", "20261129-205540-a1c0fc4-2b", "20261129-205558-b0f6c7d-f7",
     "20261129-205604-b0f6c7d-17", "20261129-205709-b0f6c7d-9d"],
    ids=["first release", "errors", "crash loop", "failure counter", "p95"],
)  # fmt: skip
def test_its_samples_judged_again_give_the_same_reason_at_the_same_moment(journal: Journal, run: str) -> None:
    rollout = folded(journal, run).rollout
    assert rollout is not None
    samples = from_facts(rollout.samples)
    policy = RolloutPolicy.model_validate(rollout.policy)
    again = replay("again", policy, samples, first=not rollout.stable_deployment)
    assert again.reason == rollout.reason
    assert again.failing_at == pytest.approx(sum(sample.seconds for sample in samples if sample.weight))


def test_stages_gates_and_approvals_are_kept(journal: Journal) -> None:
    run = folded(journal, "20261129-205530-b0f6c7d-66")
    assert {stage.id: str(stage.state) for stage in run.stages.values()} == {
        "lint": "restored", "security": "restored", "chaos": "restored", "build": "passed", "staging": "passed",
        "uat": "passed", "canary": "passed",
    }  # fmt: skip
    (approval,) = run.approvals
    assert (approval.stage, approval.decision, approval.name, approval.reason) == (
        "uat", "approved", "Ada", "demo accepted",
    )  # fmt: skip
    assert [(gate.gate, str(gate.result)) for gate in run.stages["canary"].gates] == [("rollout", "pass")]
    failed = folded(journal, RUNS[0]).stages["lint"].gates[0]
    assert [(place.path, place.line, place.rule) for place in failed.places] == [("shop/__main__.py", 3, "F401")]
    assert run.release_bytes > 100_000
    assert run.release.startswith("e7afa360")


def test_the_metrics_of_the_old_runs_are_counted(journal: Journal) -> None:
    events, _ = journal.news(0, {})
    text = render_metrics(fold_metrics(events), Known(), 0.0)
    assert 'ci_pipeline_runs_total{command="ship",hotfix="false",outcome="passed",result="success"} 3' in text
    assert 'ci_pipeline_runs_total{command="drill",hotfix="false",outcome="rolled_back",result="success"} 3' in text
    assert "canary_rollbacks_total 3" in text
    assert 'canary_rollbacks_by_cause_total{cause="requested"} 1' in text
    assert "dora_deployments_total 6" in text
    # The commits' times are not in this journal.
    assert "dora_lead_time_seconds_count 0" in text

"""The metrics count what the journal says: runs, stages, gates, approvals, rollouts, and DORA's five."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dawsos.model.events import Event
from dawsos.model.metrics import Histogram, Labels, Metrics
from dawsos.model.metrics_fold import fold_metrics
from support.facts import fact

PRODUCTION = {"canary": "production"}
Told = tuple[float, str, str, dict[str, Any]]


class History:
    """Runs that are told one after the other; ``at`` is the time of the next event."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.events: list[Event] = []
        self._seq: dict[str, int] = {}

    def tell(self, run: str, kind: str, stage: str = "", /, *, after: Any = 0, **body: Any) -> None:
        self.at += after
        self._seq[run] = self._seq.get(run, 0) + 1
        self.events.append(Event(run, self._seq[run], self.at, fact(kind, **body), stage))

    def ship(self, run: str, outcome: str, **started: Any) -> None:
        """Tell a ship whose canary serves 10 s, and ends 5 s after its decision and 1 s before that is recorded."""
        self.start(run, **started)
        self.tell(run, "rollout_started", "canary", release=f"r-{run}", deployment="d", environment="production")
        self.tell(run, "weight_confirmed", "canary", weight=5)
        decision = "promote" if outcome == "promoted" else "rollback"
        cause = "healthy" if outcome == "promoted" else "error_rate"
        self.tell(run, "rollout_decided", "canary", after=10, decision=decision, cause=cause)
        seconds = {} if outcome == "promoted" else {"seconds": 5.0}
        self.tell(run, "rollout_finished", "canary", after=6, outcome=outcome, **seconds)
        passed = "passed" if outcome == "promoted" else "rolled_back"
        self.tell(run, "stage_finished", "canary", result=passed, seconds=16.0)
        self.tell(run, "run_finished", result=passed)

    def start(self, run: str, **started: Any) -> None:
        body = {"command": "ship", "commit": f"c-{run}", "rollouts": PRODUCTION, **started}
        self.tell(run, "run_started", after=100, **body)

    def revert(self, run: str, left: str, to: str) -> None:
        self.tell(run, "run_started", after=100, command="rollback", commit="old")
        told = {"environment": "production", "release": to, "deployment": "d", "left_release": left}
        self.tell(run, "revert_started", "canary", **told)
        self.tell(run, "revert_finished", "canary", after=3, seconds=2.0)
        self.tell(run, "run_finished", result="passed")

    @property
    def metrics(self) -> Metrics:
        return fold_metrics(self.events)

    def counters(self, name: str) -> Mapping[Labels, int]:
        return self.metrics.counters.get(name, {})

    def count(self, name: str, *labels: str) -> int:
        return self.counters(name).get(labels, 0)

    def histogram(self, name: str, *labels: str) -> tuple[int, float]:
        """Return how many values it has, and their sum."""
        found = self.metrics.histograms.get(name, {}).get(labels, Histogram((0,)))
        return sum(found.counts), found.total


@pytest.fixture
def history() -> History:
    return History()


# Runs, stages and gates.


def test_a_run_is_counted_with_its_outcome_at_its_end(history: History) -> None:
    history.start("a", options={"hotfix": "prices are down"})
    assert history.counters("ci_pipeline_runs_total") == {}
    assert history.metrics.runs["a"].command == "ship"
    history.tell("a", "run_finished", after=60, result="waiting")
    assert history.counters("ci_pipeline_runs_total") == {}
    history.tell("a", "run_resumed", after=600)
    history.tell("a", "run_finished", after=40, result="failed")
    assert history.counters("ci_pipeline_runs_total") == {("ship", "true", "failed", "failure"): 1}
    assert history.histogram("ci_pipeline_duration_seconds", "ship") == (1, 700.0)
    assert history.metrics.last_ended == {("ship", "failure"): history.at}
    assert history.metrics.runs == {}


@pytest.mark.parametrize(
    ("fault", "outcome", "result"),
    [("crash", "rolled_back", "success"), ("crash", "failed", "failure"), ("none", "passed", "success"),
     ("none", "rolled_back", "failure")],
)  # fmt: skip
def test_a_drill_succeeds_when_its_fault_is_rolled_back(
    history: History, fault: str, outcome: str, result: str
) -> None:
    history.tell("a", "run_started", command="drill", options={"fault": fault})
    history.tell("a", "run_finished", result=outcome)
    assert history.counters("ci_pipeline_runs_total") == {("drill", "false", outcome, result): 1}


def test_events_of_a_run_without_a_beginning_or_after_its_end_change_nothing(history: History) -> None:
    history.tell("a", "stage_finished", "lint", result="passed", seconds=1.0)
    assert history.metrics == Metrics()
    history.ship("b", "promoted")
    before = history.metrics
    history.tell("b", "stage_finished", "lint", result="passed", seconds=1.0)
    assert history.metrics == before


def test_attempts_at_stages_are_counted_and_timed_and_so_are_stages_that_did_not_run(history: History) -> None:
    history.start("a")
    history.tell("a", "stage_started", "lint")
    history.tell("a", "stage_finished", "lint", result="infrastructure", seconds=2.0)
    history.tell("a", "stage_finished", "lint", result="passed", seconds=3.0)
    history.tell("a", "stage_restored", "unit")
    history.tell("a", "stage_skipped", "chaos", reason="hotfix")
    history.tell("a", "stage_finished", "uat", result="waiting", seconds=4.0)
    assert history.counters("ci_pipeline_stages_total") == {
        ("lint", "infrastructure"): 1, ("lint", "passed"): 1, ("unit", "restored"): 1, ("chaos", "skipped"): 1,
    }  # fmt: skip
    assert history.histogram("ci_pipeline_stage_duration_seconds", "lint") == (2, 5.0)
    assert history.histogram("ci_pipeline_stage_duration_seconds", "uat") == (0, 0.0)


def test_gates_are_counted_and_a_waiver_ends_with_the_verdict_that_needs_none(history: History) -> None:
    verdict = {"gate": "audit", "kind": "vulnerabilities", "measured": "", "limit": "", "message": ""}
    history.start("a")
    history.tell("a", "gate_evaluated", "security", **verdict, result="pass", valid_until=5000.0)
    history.tell("a", "gate_evaluated", "security", **verdict, result="fail")
    key = ("security", "audit", "vulnerabilities")
    assert history.counters("ci_pipeline_gates_total") == {(*key, "pass"): 1, (*key, "fail"): 1}
    assert history.metrics.valid_until == {("security", "audit"): 5000.0}
    history.tell("a", "gate_evaluated", "security", **verdict, result="pass")
    assert history.metrics.valid_until == {("security", "audit"): None}


# Approvals.


def _ask(history: History, digest: str = "d1", needed: int = 2) -> None:
    history.tell("a", "approval_requested", "uat", digest=digest, needed=needed)


def _answer(history: History, name: str, decision: str = "approved", digest: str = "d1") -> None:
    history.tell("a", "approval_given", "uat", after=5, digest=digest, decision=decision, name=name)


def _waits_since(history: History) -> float | None:
    asked = history.metrics.runs["a"].approvals.get("uat")
    return asked.since if asked else None


def test_an_approval_waits_until_enough_different_people_have_given_it(history: History) -> None:
    history.start("a")
    _ask(history)
    asked = history.at
    assert _waits_since(history) == asked
    _answer(history, "Ada")
    _answer(history, "Ada")
    _answer(history, "Bob", digest="another")
    assert _waits_since(history) == asked
    history.tell("a", "run_finished", result="waiting")
    history.tell("a", "run_resumed", after=50)
    _ask(history)
    assert _waits_since(history) == asked
    _answer(history, "Bob")
    assert _waits_since(history) is None


def test_a_rejection_ends_the_waiting_and_other_evidence_begins_it_anew(history: History) -> None:
    history.start("a")
    _ask(history)
    _answer(history, "Ada", "rejected")
    assert _waits_since(history) is None
    _ask(history, "d2")
    assert _waits_since(history) == history.at
    history.tell("a", "stage_finished", "uat", result="rejected", seconds=1.0)
    assert _waits_since(history) is None


def test_the_time_to_the_canary_leaves_out_what_people_took_and_what_nobody_owned(history: History) -> None:
    history.start("a")
    history.tell("a", "stage_started", "uat", after=10)
    history.tell("a", "run_resumed", after=1000)  # it was killed
    _ask(history, needed=1)
    history.tell("a", "run_finished", after=20, result="waiting")
    _answer(history, "Ada")
    history.tell("a", "run_resumed", after=2000)
    _ask(history, needed=1)
    history.tell("a", "stage_finished", "uat", result="passed", seconds=1.0)
    history.tell("a", "rollout_started", "canary", after=7, release="r", deployment="d")
    assert history.histogram("ci_pipeline_time_to_canary_seconds") == (1, 17.0)


# Rollouts.


def test_a_rollout_shows_its_weight_and_evidence_until_it_ends(history: History) -> None:
    history.start("a")
    policy = {"lease": 20.0, "error_rate": 0.005, "p95": 1.2}
    history.tell("a", "rollout_started", "canary", release="r", deployment="d", environment="eu", policy=policy)
    history.tell("a", "weight_confirmed", "canary", weight=25)
    evidence = [{"name": "worse than stable", "log_e": 1.5, "limit": 4.6}]
    history.tell("a", "rollout_sampled", "canary", evidence=evidence, check={"error_rate": 0.001, "p95": 0.2})
    rollout = history.metrics.runs["a"].rollout
    assert rollout is not None
    assert (rollout.environment, rollout.weight, rollout.lease) == ("eu", 25, 20.0)
    assert [(one.name, one.log_e, one.limit) for one in rollout.evidence] == [
        ("worse than stable", 1.5, 4.6), ("check error rate", 0.001, 0.005), ("check p95 seconds", 0.2, 1.2),
    ]  # fmt: skip
    history.tell("a", "rollout_finished", "canary", outcome="promoted")
    assert history.metrics.runs["a"].rollout is None


def test_what_was_not_measured_has_no_value(history: History) -> None:
    history.start("a")
    history.tell("a", "rollout_started", "canary", release="r", deployment="d", policy={"error_rate": 0.005})
    history.tell("a", "rollout_sampled", "canary", check={"p95": 0.2})
    rollout = history.metrics.runs["a"].rollout
    assert rollout is not None
    assert rollout.evidence == ()


def test_rollbacks_of_ships_are_counted_by_their_cause_and_drills_are_not(history: History) -> None:
    history.ship("a", "promoted")
    history.ship("b", "rolled_back")
    history.ship("c", "withdrawn")
    history.ship("d", "rolled_back", command="drill", options={"fault": "crash"})
    assert history.count("canary_deployments_total") == 3
    assert history.count("canary_rollbacks_total") == 2
    assert history.counters("canary_rollbacks_by_cause_total") == {("error_rate",): 2}
    assert history.counters("deployments_total") == {("production", "success"): 1, ("production", "failure"): 2}


# Deployments without a rollout.


def test_a_stage_that_deploys_counts_as_a_deployment_of_its_environment(history: History) -> None:
    for result in ("passed", "failed"):
        history.start(result, deploys={"staging": "staging"})
        history.tell(result, "deployed", "staging", environment="staging", release="r")
        history.tell(result, "stage_finished", "staging", result=result, seconds=1.0)
    assert history.counters("deployments_total") == {("staging", "success"): 1, ("staging", "failure"): 1}
    assert history.counters("dora_deployments_total") == {}


def test_a_canary_that_does_not_start_is_a_failed_deployment_and_none_to_dora(history: History) -> None:
    history.start("a")
    history.tell("a", "deployed", "canary", environment="production", release="r")
    history.tell("a", "stage_finished", "canary", result="failed", seconds=1.0)
    assert history.counters("deployments_total") == {("production", "failure"): 1}
    assert history.counters("dora_deployments_total") == {}


def test_a_stage_whose_release_serves_already_deploys_nothing(history: History) -> None:
    history.start("a")
    history.tell("a", "stage_finished", "canary", result="passed", seconds=1.0)
    assert history.counters("deployments_total") == {}


def test_an_older_journal_names_no_stages_that_deploy(history: History) -> None:
    for run, result in (("a", "passed"), ("b", "failed")):
        history.start(run, rollouts={})
        history.tell(run, "deployed", "staging", environment="staging", release="r")
        history.tell(run, "stage_finished", "staging", result=result, seconds=1.0)
    assert history.counters("deployments_total") == {("staging", "success"): 1}


# DORA.


def _dora(history: History) -> tuple[int, int, int]:
    """Return the deployments, the failed ones and the rework."""
    return (
        history.count("dora_deployments_total"),
        history.count("dora_failed_deployments_total"),
        history.count("dora_rework_deployments_total"),
    )


def test_the_lead_time_runs_from_the_commit_to_its_promotion(history: History) -> None:
    history.ship("a", "promoted", committed_at=400.0)
    assert history.histogram("dora_lead_time_seconds") == (1, 1116.0 - 400.0)
    assert _dora(history) == (1, 0, 0)
    history.ship("b", "rolled_back", committed_at=400.0)
    history.ship("c", "promoted")  # an older version did not record the time
    history.ship("d", "promoted", commit="c-c", committed_at=400.0)  # no change is shipped a second time
    assert history.histogram("dora_lead_time_seconds")[0] == 1


def test_a_canary_that_served_and_was_rolled_back_failed_until_its_last_request(history: History) -> None:
    history.ship("a", "rolled_back")
    assert _dora(history) == (1, 1, 0)
    assert history.histogram("dora_recovery_seconds") == (1, 15.0)


def test_a_canary_that_never_had_traffic_is_no_deployment(history: History) -> None:
    history.start("a")
    history.tell("a", "rollout_started", "canary", release="r", deployment="d", environment="production")
    history.tell("a", "weight_confirmed", "canary", weight=0)
    history.tell("a", "rollout_decided", "canary", decision="rollback", cause="load_failed")
    history.tell("a", "rollout_finished", "canary", outcome="rolled_back")
    assert _dora(history) == (0, 0, 0)
    assert history.count("canary_rollbacks_total") == 1


def test_a_release_that_a_person_takes_back_failed_once(history: History) -> None:
    history.ship("a", "promoted")
    history.ship("b", "promoted")
    served = history.at - 16
    history.revert("c", "r-b", "r-a")
    assert _dora(history) == (2, 1, 0)
    assert history.histogram("dora_recovery_seconds") == (1, history.at - 1 - served)
    history.revert("d", "r-b", "r-a")  # it no longer serves
    assert _dora(history) == (2, 1, 0)


def test_a_hotfix_is_rework_and_what_it_replaces_failed(history: History) -> None:
    history.ship("a", "promoted")
    history.ship("b", "promoted", options={"hotfix": "prices are down"})
    assert _dora(history) == (2, 1, 1)
    assert history.histogram("dora_recovery_seconds") == (1, 132.0)
    history.ship("c", "promoted")
    assert _dora(history) == (3, 1, 1)
    history.ship("d", "rolled_back", options={"hotfix": "again"})
    assert _dora(history) == (4, 2, 2)


def test_a_drill_is_none_of_it(history: History) -> None:
    history.ship("a", "promoted", command="drill", options={"fault": "none"}, committed_at=1.0)
    assert _dora(history) == (0, 0, 0)
    assert history.metrics.serving == {}


def test_a_deployment_to_production_without_a_rollout_counts_and_the_next_one_recovers_it(history: History) -> None:
    for run, result in (("a", "failed"), ("b", "passed")):
        history.start(run, deploys=PRODUCTION, rollouts={}, committed_at=900.0)
        history.tell(run, "deployed", "canary", after=4, environment="production", release=run)
        history.tell(run, "stage_finished", "canary", after=6, result=result, seconds=10.0)
    assert _dora(history) == (2, 1, 0)
    assert history.histogram("dora_recovery_seconds") == (1, 120.0)
    assert history.histogram("dora_lead_time_seconds") == (1, 320.0)


def test_the_fold_goes_on_from_any_event(history: History) -> None:
    history.ship("a", "promoted", committed_at=400.0)
    history.ship("b", "rolled_back")
    history.revert("c", "r-a", "r-0")
    history.start("d")
    whole = history.metrics
    for place in range(len(history.events)):
        earlier = fold_metrics(history.events[:place])
        kept = repr(earlier)
        assert fold_metrics(history.events[place:], earlier) == whole
        assert repr(earlier) == kept

"""One stage: what is tried again and what is not, its budget, its gates, its approval, its place in the cache."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.digests import tree_digests
from dawsos.engine import attempt
from dawsos.engine.attempt import run_stage
from dawsos.engine.contract import StageAttempt, StageOutcome, StageRuntime, nothing_to_prepare
from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.pipeline import Approval, Gate, Retry
from dawsos.model.plan import Fingerprint
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateResult, GateVerdict
from engine.stages import stage
from fakes import MemoryRecorder, VirtualClock
from gates.samples import gate
from support.facts import fact


def answer(gate: Gate, result: GateResult = "pass") -> GateVerdict:
    return GateVerdict(gate.name, gate.kind, result, "7", "at most 5", "too many", ("x.json",))


class World:
    """A stage with fakes around it: ``body`` is called for each attempt; ``kept`` and ``asked`` are what came of it."""

    def __init__(
        self, folder: Path, body: Callable[[StageAttempt], StageOutcome | Awaitable[StageOutcome]], **fields: Any
    ) -> None:
        self.clock = VirtualClock()
        self.recorder = MemoryRecorder(self.clock)
        self.recorder.record(fact("run_started", stages=["lint"]))
        self.stage = stage("lint", **fields)
        self.folder = folder
        self.body = body
        self.verdicts: dict[str, GateResult] = {}
        self.prepare: Callable[[StageAttempt], Awaitable[None]] = nothing_to_prepare
        self.approval = StageOutcome(StageState.PASSED)
        self.fingerprint: Fingerprint | None = Fingerprint("f" * 64, {})
        self.kept = 0
        self.asked = 0
        self.attempts: list[StageAttempt] = []

    def run(self, *, done: bool = False) -> StageOutcome:
        async def body(work: StageAttempt) -> StageOutcome:
            self.attempts.append(work)
            result = self.body(work)
            return result if isinstance(result, StageOutcome) else await result

        async def approve(_work: StageAttempt, _verdicts: tuple[GateVerdict, ...]) -> StageOutcome:
            self.asked += 1
            return self.approval

        async def keep(_work: StageAttempt) -> None:
            self.kept += 1

        def evaluate(gate: Gate, _artifacts: Path) -> GateVerdict:
            return answer(gate, self.verdicts.get(gate.name, "pass"))

        hands = StageRuntime({"commands": body}, evaluate, approve, keep, self.prepare)
        work = StageAttempt(self.stage, 1, self.folder / "attempt-1", self.fingerprint, self.recorder, self.clock, done)
        return asyncio.run(run_stage(work, hands))

    @property
    def record(self) -> Any:
        return self.recorder.state.stages["lint"]


def passing(_work: StageAttempt) -> StageOutcome:
    return StageOutcome(StageState.PASSED)


def raising(error: Exception) -> Callable[[StageAttempt], StageOutcome]:
    def body(_work: StageAttempt) -> StageOutcome:
        raise error

    return body


def test_a_passed_stage_has_its_gates_in_the_journal_and_its_evidence_in_the_cache(tmp_path: Path) -> None:
    world = World(tmp_path, passing)
    assert world.run() == StageOutcome(StageState.PASSED)
    assert world.recorder.kinds == ["run_started", "stage_started", "gate_evaluated", "stage_finished"]
    assert (world.record.state, world.record.fingerprint, world.kept) == ("passed", "f" * 64, 1)


@pytest.mark.parametrize("result", ["fail", "no_data", "error"])
def test_a_gate_that_does_not_pass_makes_the_stage_red_and_is_told_in_full(result: GateResult, tmp_path: Path) -> None:
    gates = (gate("junit", "junit"), gate("size", "size"))
    world = World(tmp_path, passing, gates=gates, approval=Approval())
    world.verdicts = {"junit": result}
    outcome = world.run()
    assert outcome == StageOutcome(StageState.FAILED, "gate junit: too many (measured 7, limit at most 5)")
    assert [gate.result for gate in world.record.gates] == [result, "pass"]
    assert (world.kept, world.asked, len(world.attempts)) == (0, 0, 1)


def test_what_stopped_the_work_is_told_and_not_the_evidence_that_is_missing_for_it(tmp_path: Path) -> None:
    gates = (gate("size", "size"),)
    world = World(tmp_path, raising(ReleaseFailed("`docker save` failed: no space left")), gates=gates)
    world.verdicts = {"size": "no_data"}
    assert "no space left" in world.run().reason
    world.verdicts = {"size": "fail"}
    assert world.run().reason.startswith("gate size: too many")


def test_a_gate_that_measured_something_bad_is_told_also_beside_one_that_had_nothing(tmp_path: Path) -> None:
    gates = (gate("size", "size"), gate("junit", "junit"))
    world = World(tmp_path, lambda _work: StageOutcome(StageState.FAILED, "a step failed"), gates=gates)
    world.verdicts = {"size": "fail", "junit": "no_data"}
    assert world.run().reason.startswith("gate size: too many")


def test_work_that_failed_without_a_word_is_told_by_the_gate_that_has_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _work: StageOutcome(StageState.FAILED), gates=(gate("size", "size"),))
    world.verdicts = {"size": "no_data"}
    assert world.run().reason.startswith("gate size: too many")


def test_a_stage_that_is_never_restored_has_no_fingerprint_and_one_that_may_be_names_its_tools(tmp_path: Path) -> None:
    world = World(tmp_path / "first", passing)
    world.fingerprint = Fingerprint("f" * 64, {"tool ruff": "0.14", "step 1": "ruff check"})
    world.run()
    assert (world.record.fingerprint, world.record.tools) == ("f" * 64, {"ruff": "0.14"})
    world = World(tmp_path / "second", passing)
    world.fingerprint = None
    world.run()
    assert (world.record.state, world.record.fingerprint, world.record.tools) == ("passed", "", {})


def test_a_failed_step_that_no_gate_saw_fails_the_stage_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _work: StageOutcome(StageState.FAILED, "a step failed"))
    assert world.run() == StageOutcome(StageState.FAILED, "a step failed")
    assert world.kept == 0
    assert len(world.record.gates) == 1


@pytest.mark.parametrize(
    ("error", "result", "reason", "attempts"),
    [
        (InfrastructureError("no port", fix="free one"), "infrastructure", "no port\n  fix: free one", 2),
        (OSError("disk full"), "infrastructure", "OSError: disk full", 2),
        (BadInput("no such lock", fix="name another"), "failed", "no such lock\n  fix: name another", 1),
        (RuntimeError("odd"), "infrastructure", "a defect of dawsos: RuntimeError: odd", 2),
        (ReleaseFailed("does not start"), "failed", "does not start", 1),
    ],
)
def test_only_infrastructure_is_tried_again(
    error: Exception, result: str, reason: str, attempts: int, tmp_path: Path
) -> None:
    world = World(tmp_path, raising(error))
    outcome = world.run()
    # Of a defect it is also told where it was raised.
    said, _, where = outcome.reason.partition(" (")
    assert (outcome.result, said) == (result, reason)
    assert ("test_attempt.py:" in where) is isinstance(error, RuntimeError)
    assert (world.record.state, world.record.reason) == (result, outcome.reason)
    assert [work.number for work in world.attempts] == list(range(1, attempts + 1))
    assert world.record.attempt == attempts


def test_each_attempt_has_its_own_folder_and_a_second_one_may_pass(tmp_path: Path) -> None:
    def body(work: StageAttempt) -> StageOutcome:
        return StageOutcome(StageState.INFRASTRUCTURE, "killed") if work.number < 3 else StageOutcome(StageState.PASSED)

    world = World(tmp_path, body, retry=Retry(attempts=3))
    assert world.run() == StageOutcome(StageState.PASSED)
    assert [work.artifacts.name for work in world.attempts] == ["attempt-1", "attempt-2", "attempt-3"]
    assert all(work.artifacts.is_dir() for work in world.attempts)
    assert world.record.state == "passed"


def test_a_stage_over_its_budget_is_stopped_and_cleans_up(tmp_path: Path) -> None:
    cleaned = []

    async def slow(_work: StageAttempt) -> StageOutcome:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)
        return StageOutcome(StageState.PASSED)

    world = World(tmp_path, slow, budget=0.01)
    assert world.run() == StageOutcome(StageState.TIMEOUT, "stopped after its budget of 0.01 s")
    assert cleaned == [True]
    assert (world.record.state, len(world.attempts), world.record.gates) == ("timeout", 1, ())


def test_cancelling_is_recorded_before_it_is_passed_on(tmp_path: Path) -> None:
    async def cancelled(_work: StageAttempt) -> StageOutcome:
        raise asyncio.CancelledError

    world = World(tmp_path, cancelled)
    with pytest.raises(asyncio.CancelledError):
        world.run()
    assert world.record.state == "cancelled"


def test_an_approval_is_asked_for_once_the_gates_have_passed(tmp_path: Path) -> None:
    world = World(tmp_path, passing, approval=Approval())
    assert world.run() == StageOutcome(StageState.PASSED)
    assert (world.asked, world.kept) == (1, 1)


@pytest.mark.parametrize("result", [StageState.WAITING, StageState.REJECTED])
def test_without_a_yes_nothing_is_kept(result: StageState, tmp_path: Path) -> None:
    world = World(tmp_path, passing, approval=Approval())
    world.approval = StageOutcome(result, "the product owner")
    assert world.run().result == result
    assert (world.kept, len(world.attempts), world.record.state) == (0, 1, result)


def test_work_that_was_done_and_shown_is_not_done_again(tmp_path: Path) -> None:
    world = World(tmp_path, raising(AssertionError("must not run")), approval=Approval())
    (tmp_path / "attempt-1").mkdir()
    (tmp_path / "attempt-1" / "report.json").write_text("{}")
    assert world.run(done=True) == StageOutcome(StageState.PASSED)
    assert list(world.record.evidence) == ["report.json"]
    assert (world.attempts, world.asked, world.kept) == ([], 1, 1)


def test_a_rollback_stays_one_whatever_its_gates_say(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _work: StageOutcome(StageState.ROLLED_BACK, "errors"))
    world.verdicts = {"exit_status": "fail"}
    assert world.run() == StageOutcome(StageState.ROLLED_BACK, "errors")
    assert len(world.record.gates) == 1
    assert world.kept == 0


def test_what_is_prepared_does_not_count_against_the_budget(tmp_path: Path) -> None:
    async def slow(_work: StageAttempt) -> None:
        await asyncio.sleep(0.2)

    world = World(tmp_path, passing, budget=0.05)
    world.prepare = slow
    assert world.run() == StageOutcome(StageState.PASSED)


def test_what_cannot_be_prepared_is_the_machines_fault_and_tried_again(tmp_path: Path) -> None:
    tried = []

    async def away(work: StageAttempt) -> None:
        tried.append(work.number)
        raise InfrastructureError("the registry is away")

    world = World(tmp_path, passing)
    world.prepare = away
    assert world.run().result == "infrastructure"
    assert (tried, world.attempts) == ([1, 2], [])


class SlowDigests:
    """Digests that are made only after a task of the event loop has seen that they began and gone on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = threading.Event()
        self.seen = threading.Event()
        monkeypatch.setattr(attempt, "tree_digests", self)

    def __call__(self, folder: Path) -> dict[str, str]:
        self.began.set()
        assert self.seen.wait(5), "the event loop stood still while the evidence was digested"
        return tree_digests(folder)

    async def watch(self, then: Callable[[], object] = lambda: None) -> None:
        while not self.began.is_set():
            await asyncio.sleep(0.001)
        then()
        self.seen.set()


def test_the_event_loop_goes_on_while_the_evidence_is_digested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests, beside = SlowDigests(monkeypatch), []

    def body(work: StageAttempt) -> StageOutcome:
        (work.artifacts / "report.json").write_text("{}")
        beside.append(asyncio.create_task(digests.watch()))
        return StageOutcome(StageState.PASSED)

    world = World(tmp_path, body)
    assert world.run() == StageOutcome(StageState.PASSED)
    assert list(world.record.evidence) == ["report.json"]


def test_a_stage_that_is_cancelled_while_its_evidence_is_digested_keeps_its_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, beside = SlowDigests(monkeypatch), []

    def body(work: StageAttempt) -> StageOutcome:
        current = asyncio.current_task()
        assert current is not None
        beside.append(asyncio.create_task(digests.watch(then=current.cancel)))
        return StageOutcome(StageState.ROLLED_BACK, "errors")

    world = World(tmp_path, body)
    with pytest.raises(asyncio.CancelledError):
        world.run()
    assert (world.record.state, world.record.reason) == ("rolled_back", "errors")

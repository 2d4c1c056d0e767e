"""The executor does what the plan says, stage by stage, and leaves the event loop to the others while it works."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters import git, git_checkout
from dawsos.adapters.cache import StageCache
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import write_json
from dawsos.engine.contract import Action as StageAction
from dawsos.engine.contract import StageAttempt, StageOutcome, nothing_to_prepare
from dawsos.model.plan import Action, Fingerprint, Plan, PlannedStage
from dawsos.model.run import ChangedFiles
from dawsos.model.status import StageState
from dawsos.runs import evidence
from dawsos.runs.approvals import Preapproval
from dawsos.runs.context import RunContext
from dawsos.runs.executor import Execution, PlanExecutor
from dawsos.runs.planner import Planner, Source
from dawsos.runs.recorder import Session
from support.facts import fact
from support.world import Silent
from verbs.on_paper import Shipping

RELEASE = "ab" * 32


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    made = Shipping(tmp_path / "project", monkeypatch)
    made.tools.signer()  # The key that makes what is kept genuine.
    return made


class Bench:
    """One run whose stages do what ``work`` says instead of their commands."""

    def __init__(self, shipping: Shipping, run: str, command: str = "run", cache: StageCache | None = None) -> None:
        tools, commit = shipping.tools, shipping.commit
        self.session = Session(tools, run, [Silent()])
        stages = [stage.id for stage in shipping.pipeline.stages]
        self.session.record(fact("run_started", command=command, commit=commit.sha, stages=stages))
        self.root = shipping.project.root
        if command == "ship":
            self.root = git_checkout.checkout(self.root, commit.sha, shipping.project.checkout(commit.sha))
        self.context = RunContext(tools, shipping.pipeline, commit, self.root, self.session)
        self.cache = cache or StageCache(shipping.project.cache, evidence.doubts(tools))
        source = Source(self.root, git.tree_hashes(self.root, commit.sha), commit.sha)
        self.planner = Planner(
            shipping.pipeline, source, self.cache, shipping.project.releases, shipping.project.images
        )
        self.work: dict[str, Callable[[StageAttempt], Awaitable[None]]] = {}
        self.ran: list[str] = []

    async def _act(self, attempt: StageAttempt) -> StageOutcome:
        self.ran.append(attempt.stage.id)
        if attempt.stage.id in self.work:
            await self.work[attempt.stage.id](attempt)
        write_json(attempt.artifacts / "steps.json", [{"name": "", "classification": "ok", "exit_code": 0}])
        return StageOutcome(StageState.PASSED)

    def executor(self, *planned: PlannedStage) -> PlanExecutor:
        actions: dict[str, StageAction] = dict.fromkeys(("commands", "release", "deploy", "rollout"), self._act)
        seen = Preapproval("Ada", "seen")
        execution = Execution(self.context, Plan(planned), self.planner, self.cache, "production", seen)
        return PlanExecutor(execution, actions, nothing_to_prepare)

    def made(self, stage: str) -> Fingerprint:
        return self.planner.fingerprint(self.context.pipeline.stage(stage), "")

    def planned(self, stage: str, action: Action, reason: str = "because") -> PlannedStage:
        return PlannedStage(stage, action, reason, None if action is Action.SKIP else self.made(stage))

    def execute(self, stage: str, action: Action) -> StageOutcome:
        executor = self.executor(self.planned(stage, action))
        return asyncio.run(executor.execute(self.context.pipeline.stage(stage)))


def test_a_stage_that_passed_is_kept_and_restored_by_the_next_run(shipping: Shipping) -> None:
    first = Bench(shipping, "first")
    assert first.execute("lint", Action.RUN) == StageOutcome(StageState.PASSED)
    second = Bench(shipping, "second")
    assert second.execute("lint", Action.RESTORE) == StageOutcome(StageState.RESTORED)
    assert second.ran == []
    record = second.session.state.stages["lint"]
    assert (record.state, record.from_run, record.gates) == (
        StageState.RESTORED, "first", first.session.state.stages["lint"].gates,
    )  # fmt: skip
    assert (second.session.artifacts("lint") / "steps.json").exists()


def test_what_is_planned_to_run_runs_whatever_is_kept(shipping: Shipping) -> None:
    Bench(shipping, "first").execute("lint", Action.RUN)
    second = Bench(shipping, "second")
    assert second.execute("lint", Action.RUN) == StageOutcome(StageState.PASSED)
    assert second.ran == ["lint"]


def test_what_is_planned_to_be_skipped_is_skipped_with_the_reason_of_the_plan(shipping: Shipping) -> None:
    bench = Bench(shipping, "first")
    assert bench.execute("chaos", Action.SKIP) == StageOutcome(StageState.SKIPPED)
    record = bench.session.state.stages["chaos"]
    assert (record.state, record.reason, bench.ran) == (StageState.SKIPPED, "because", [])


def test_a_kept_result_that_was_removed_since_it_was_planned_runs(shipping: Shipping) -> None:
    bench = Bench(shipping, "first")
    assert bench.execute("lint", Action.RESTORE) == StageOutcome(StageState.PASSED)
    assert bench.ran == ["lint"]


def test_a_kept_result_that_cannot_be_copied_runs_in_an_empty_folder(shipping: Shipping) -> None:
    Bench(shipping, "first").execute("lint", Action.RUN)

    class Broken(StageCache):
        def restore(self, stage: str, digest: str, artifacts: Path) -> None:
            artifacts.mkdir(parents=True)
            (artifacts / "half").touch()
            raise OSError("the disk refuses")

    cache = Broken(shipping.project.cache, evidence.doubts(shipping.tools))
    bench = Bench(shipping, "second", cache=cache)
    assert bench.execute("lint", Action.RESTORE) == StageOutcome(StageState.PASSED)
    assert sorted(bench.session.state.stages["lint"].evidence) == ["steps.json"]


def test_of_a_kept_build_whose_release_is_gone_nothing_is_left_among_the_evidence(shipping: Shipping) -> None:
    """It is built anew in the same folder, where the old files could speak for it."""

    async def build(attempt: StageAttempt) -> None:
        facts = {"release": RELEASE, "commit": shipping.commit.sha, "builder": "bundle", "bytes": 1}
        write_json(attempt.artifacts / "release.json", facts)
        attempt.recorder.record(fact("release_built", **facts), "build")

    release = shipping.project.releases / RELEASE
    release.mkdir(parents=True)
    (release / "release.json").write_text(json.dumps({"files": {}}))
    first = Bench(shipping, "first")
    first.work["build"] = build
    assert first.execute("build", Action.RUN).result is StageState.PASSED
    # As long as the release is there, it is what a restored build gives to the run.
    restored = Bench(shipping, "second")
    assert restored.execute("build", Action.RESTORE) == StageOutcome(StageState.RESTORED)
    assert restored.session.state.release == RELEASE
    (release / "release.json").unlink()
    release.rmdir()
    third = Bench(shipping, "third")
    stage, made = third.context.pipeline.stage("build"), third.made("build")
    assert not asyncio.run(third.executor()._restore(stage, made))
    assert not third.session.artifacts("build").exists()
    assert third.session.state.release == ""


def test_a_stage_behind_the_build_is_kept_under_the_release_that_was_built(shipping: Shipping) -> None:
    """Its fingerprint was not known when the plan was made."""
    bench = Bench(shipping, "first")
    bench.session.record(
        fact("release_built", release=RELEASE, commit=shipping.commit.sha, builder="", bytes=1), "build"
    )
    stage = bench.context.pipeline.stage("uat").model_copy(update={"approval": None})
    executor = bench.executor(PlannedStage("uat", Action.RUN, "looks at the release", None))
    assert asyncio.run(executor.execute(stage)).result is StageState.PASSED
    made = bench.planner.fingerprint(stage, RELEASE)
    assert bench.session.state.stages["uat"].fingerprint == made.digest
    assert bench.cache.lookup("uat", made.digest) is not None


def test_an_approval_is_restored_with_its_stage_and_names_the_run_in_which_it_was_given(shipping: Shipping) -> None:
    first, second = Bench(shipping, "first"), Bench(shipping, "second")
    for bench in (first, second):
        built = fact("release_built", release=RELEASE, commit=shipping.commit.sha, builder="", bytes=1)
        bench.session.record(built, "build")
    stage = first.context.pipeline.stage("uat")
    made = first.planner.fingerprint(stage, RELEASE)
    ran = first.executor(PlannedStage("uat", Action.RUN, "because", made))
    assert asyncio.run(ran.execute(stage)).result is StageState.PASSED
    restored = second.executor(PlannedStage("uat", Action.RESTORE, "because", made))
    assert asyncio.run(restored.execute(stage)).result is StageState.RESTORED
    (given,), (kept,) = first.session.state.approvals, second.session.state.approvals
    assert (kept.name, kept.digest, kept.statement) == ("Ada", given.digest, given.statement)
    assert kept.how == "in run first"


def test_a_deployment_is_never_kept(shipping: Shipping) -> None:
    bench = Bench(shipping, "first")
    bench.execute("release-it", Action.RUN)
    assert not (shipping.project.cache / "release-it").exists()


def test_every_stage_of_a_ship_has_its_statement_once_there_is_a_release(shipping: Shipping) -> None:
    bench = Bench(shipping, "first", "ship")
    folder = shipping.project.evidence("first")
    bench.execute("lint", Action.RUN)
    assert not folder.exists()
    bench.session.record(
        fact("release_built", release=RELEASE, commit=shipping.commit.sha, builder="", bytes=1), "build"
    )
    bench.execute("chaos", Action.SKIP)
    assert sorted(path.name for path in folder.iterdir()) == ["chaos.json", "lint.json"]


def test_a_run_has_no_statements(shipping: Shipping) -> None:
    bench = Bench(shipping, "first")
    bench.session.record(
        fact("release_built", release=RELEASE, commit=shipping.commit.sha, builder="", bytes=1), "build"
    )
    bench.execute("lint", Action.RUN)
    assert not shipping.project.evidence("first").exists()


def beside(bench: Bench, second: str) -> tuple[ChangedFiles, ...]:
    """Run lint, which changes a file of the commit, and meanwhile ``second``; return what was said of the files."""
    changed, done = asyncio.Event(), asyncio.Event()

    async def change(_attempt: StageAttempt) -> None:
        (bench.root / "check.sh").write_text("exit 1\n")
        changed.set()
        await done.wait()

    async def see(_attempt: StageAttempt) -> None:
        done.set()

    bench.work |= {"lint": change, second: see}
    pipeline = bench.context.pipeline
    executor = bench.executor(bench.planned("lint", Action.RUN), bench.planned(second, Action.RUN))

    async def both() -> None:
        first = asyncio.create_task(executor.execute(pipeline.stage("lint")))
        await changed.wait()
        await executor.execute(pipeline.stage(second))
        await first

    asyncio.run(both())
    return bench.session.state.changed_files


def test_what_another_stage_works_with_is_left_alone_and_said(shipping: Shipping) -> None:
    """Put back under its hands it would fail, now and then."""
    bench = Bench(shipping, "first", "ship")
    assert beside(bench, "chaos") == (ChangedFiles("chaos", "seen", ("check.sh",), 1),)
    assert (bench.root / "check.sh").read_text() == "exit 1\n"


def test_a_release_is_of_the_commit_even_where_another_stage_is_at_work(shipping: Shipping) -> None:
    bench = Bench(shipping, "first", "ship")
    release = shipping.project.releases / "x"
    release.mkdir(parents=True)
    bench.session.record(fact("release_built", release="x", commit=shipping.commit.sha, builder="", bytes=1), "build")
    (release / "release.json").write_text(json.dumps({"files": {}}))
    (release / "site").mkdir()
    assert beside(bench, "build") == (ChangedFiles("build", "put back", ("check.sh",), 1),)
    assert (bench.root / "check.sh").read_text() == "true\n"


class Beside:
    """Another task of the same event loop; ``waited`` says of each call that blocked whether it made progress meanwhile."""

    def __init__(self) -> None:
        self._step = threading.Event()
        self.waited: list[tuple[str, bool]] = []

    def block(self, name: str) -> None:
        """Block this thread until the other task has made a step."""
        self._step.clear()
        self.waited.append((name, self._step.wait(10.0)))

    async def go_on_until(self, task: asyncio.Task[StageOutcome]) -> StageOutcome:
        while not task.done():
            self._step.set()
            await asyncio.sleep(0.001)
        return await task


class SlowCache(StageCache):
    """A cache on a slow disk."""

    def __init__(self, shipping: Shipping, beside: Beside) -> None:
        super().__init__(shipping.project.cache, evidence.doubts(shipping.tools))
        self._beside = beside

    def lookup(self, stage: str, digest: str) -> dict[str, Any] | None:
        self._beside.block("lookup")
        return super().lookup(stage, digest)

    def restore(self, stage: str, digest: str, artifacts: Path) -> None:
        self._beside.block("restore")
        super().restore(stage, digest, artifacts)


@pytest.mark.parametrize(
    ("action", "blocking"),
    # Of a stage that ran, ``keep`` looks up what is there.
    [(Action.RUN, ["changed_files", "put_back", "lookup"]), (Action.RESTORE, ["lookup", "restore"])],
)
def test_slow_git_and_a_slow_disk_do_not_stall_what_goes_on_beside(
    action: Action, blocking: list[str], shipping: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logs and budgets of the stages beside it stood still for as long."""
    Bench(shipping, "first", "ship").execute("lint", Action.RUN)
    beside = Beside()
    bench = Bench(shipping, "second", "ship", SlowCache(shipping, beside))

    def changed_files(root: Path, sha: str) -> tuple[str, ...]:
        beside.block("changed_files")
        return ("check.sh",)

    monkeypatch.setattr(git_checkout, "changed_files", changed_files)
    monkeypatch.setattr(git_checkout, "put_back", lambda root, sha: beside.block("put_back"))
    executor = bench.executor(bench.planned("lint", action))

    async def both() -> StageOutcome:
        task = asyncio.create_task(executor.execute(bench.context.pipeline.stage("lint")))
        return await beside.go_on_until(task)

    outcome = asyncio.run(both())
    assert outcome.result is (StageState.PASSED if action is Action.RUN else StageState.RESTORED)
    assert beside.waited == [(name, True) for name in blocking]


def test_what_was_kept_is_what_the_stage_left(shipping: Shipping) -> None:
    bench = Bench(shipping, "first")
    bench.execute("lint", Action.RUN)
    kept = bench.cache.artifacts("lint", bench.made("lint").digest)
    assert tree_digests(kept) == tree_digests(bench.session.artifacts("lint"))

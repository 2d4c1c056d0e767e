"""``ship --in-cluster``: the rollout begins here, a Job conducts it, and this machine learns how it ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dawsos.adapters.commit_pack import unpack
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere
from dawsos.model.rollout import Sample
from dawsos.platforms.contract import Handed
from dawsos.platforms.jobs import JOBS
from dawsos.runs.evidence import summary_problems
from dawsos.runs.journal import Journal
from dawsos.runs.project import Project, Tools, load_run, open_tools
from dawsos.verbs import handing_over
from dawsos.verbs import resume as resume_module
from dawsos.verbs.handing_over import follow, must_be_free
from dawsos.verbs.resume import resume
from dawsos.verbs.rollback import Request, rollback
from dawsos.verbs.ship import ship
from support.memory_jobs import MemoryJobs, key_pair
from support.memory_journal import MemoryJournal, everywhere
from support.paper import erring, healthy
from verbs.on_paper import APPROVED, Shipping, committed, finished, silent, states

HANDED = replace(APPROVED, in_cluster=True)
CLUSTER = "platform: kubernetes, context: c, namespace: n, release: r, chart: charts/x, in_cluster: {image: tool}"


@dataclass
class World:
    """A repository that ships to a cluster on paper, the runs that the cluster keeps, and its Jobs."""

    shipping: Shipping
    journal: MemoryJournal
    jobs: MemoryJobs
    monkeypatch: pytest.MonkeyPatch

    def believe(self) -> None:
        """Believe here what the Job signs."""
        self.shipping.project.keys.mkdir(parents=True, exist_ok=True)
        (self.shipping.project.keys / "job.pub").write_text(self.jobs.pair[1])

    def conduct(self, script: Callable[[float, int], Sample] = healthy) -> int:
        """Do what the pod of the Job does with what it was handed; return its exit code."""
        self.shipping.live.script = script
        tools = in_the_pod(self.shipping, self.jobs.handed[-1], self.jobs.folder)
        with self.monkeypatch.context() as pod:
            pod.setenv("DAWSOS_SIGNING_KEY", self.jobs.pair[0])
            pod.setenv("DAWSOS_TRUSTED_KEYS", self.jobs.handed[-1].keys)
            pod.setattr(resume_module, "open_tools", lambda project: tools)
            code = resume(tools.project, self.jobs.handed[-1].run, silent, here=True).exit_code
        self.jobs.state = "ended"
        return code


def in_the_pod(shipping: Shipping, handed: Handed, folder: Path) -> Tools:
    """Return the tools of a pod that has nothing but what it was handed."""
    shutil.rmtree(folder, ignore_errors=True)
    unpack(folder, handed.pack, handed.commit)
    project = Project(folder / handed.folder, folder.with_name("home"))
    shutil.rmtree(project.home, ignore_errors=True)
    made = open_tools(project)
    journal = Journal(project.journal, shipping.clock)
    return replace(made, journal=journal, clock=shipping.clock, make_platform=shipping._make_platform)


@pytest.fixture
def world(shipping: Shipping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    journal, jobs = MemoryJournal(), MemoryJobs(tmp_path / "pod")
    everywhere(monkeypatch, journal)
    monkeypatch.setitem(JOBS, "kubernetes", lambda _host: jobs)
    monkeypatch.setattr(handing_over, "open_tools", lambda project: shipping.tools)
    path = shipping.project.root / "pipeline.yaml"
    path.write_text(path.read_text().replace("live: {replicas: 1}", f"live: {{replicas: 1, {CLUSTER}}}"))
    committed(shipping, "to a cluster")
    return World(shipping, journal, jobs, monkeypatch)


@pytest.mark.parametrize(("script", "code", "state"), [(healthy, 0, "passed"), (erring, 4, "rolled_back")])
def test_a_job_conducts_the_rollout_and_this_machine_takes_the_end_in(
    world: World, script: Callable[[float, int], Sample], code: int, state: str
) -> None:
    shipping = world.shipping
    assert finished(shipping, ship(shipping.project, APPROVED, silent))[:2] == (0, "passed")
    committed(shipping)
    world.believe()
    handed = ship(shipping.project, HANDED, silent)
    assert (handed.exit_code, handed.job is not None) == (75, True)
    assert states(shipping, handed.run)["release-it"] == "waiting"
    assert load_run(shipping.tools, handed.run).handed_over
    assert shipping.live.roles.weight == 0

    assert world.conduct(script) == code
    ended = resume(shipping.project, handed.run, silent)
    assert (ended.exit_code, states(shipping, handed.run)["release-it"]) == (code, state)
    run = load_run(shipping.tools, handed.run)
    # The journal, the report and the evidence of the rollout are here, and signed by keys that are believed.
    assert summary_problems(shipping.tools, run) == []
    assert shipping.tools.journal.verify(run.id) == []
    stage = run.stages["release-it"]
    folder = shipping.project.run_folder(run.id) / "release-it" / f"attempt-{stage.attempt}"
    assert {path.name for path in folder.iterdir()} == set(stage.evidence)
    assert ended.report.read_text().count(run.id)
    # Who asks again hears the same.
    assert resume(shipping.project, handed.run, silent).exit_code == code


def test_while_the_job_works_nobody_else_writes_the_journal(world: World) -> None:
    shipping = world.shipping
    world.believe()
    handed = ship(shipping.project, HANDED, silent)
    before = shipping.tools.journal.rows(handed.run)
    with pytest.raises(OwnedElsewhere, match=f"the Job job-{handed.run} conducts the rollout") as told:
        resume(shipping.project, handed.run, silent)
    assert "kubectl logs" in told.value.fix
    assert shipping.tools.journal.rows(handed.run) == before
    # A Job that is gone, and a controller somewhere that is not.
    world.jobs.state, world.journal.conductor = "none", "ada@laptop 1"
    with pytest.raises(OwnedElsewhere, match="ada@laptop 1 conducts the rollout of live"):
        resume(shipping.project, handed.run, silent)
    assert shipping.tools.journal.rows(handed.run) == before


def test_a_rollout_that_an_older_version_began_is_on_this_machine_only(world: World) -> None:
    """Its facts name no environment, and its commit's pipeline.yaml need not be one of today."""
    shipping = world.shipping
    world.believe()
    run = load_run(shipping.tools, ship(shipping.project, HANDED, silent).run)
    assert run.rollout is not None
    must_be_free(
        shipping.tools, replace(run, commit="0" * 40, rollout=replace(run.rollout, environment="")), here=False
    )


def test_a_job_that_is_gone_is_replaced_and_this_machine_can_do_it_itself(world: World) -> None:
    shipping = world.shipping
    world.believe()
    handed = ship(shipping.project, HANDED, silent)
    world.jobs.state = "none"
    again = resume(shipping.project, handed.run, silent)
    assert (again.exit_code, len(world.jobs.handed)) == (75, 2)
    world.jobs.state = "none"
    ended = resume(shipping.project, handed.run, silent, here=True)
    assert (ended.exit_code, len(world.jobs.handed)) == (0, 2)


def test_a_job_that_does_not_begin_leaves_the_run_to_be_resumed(world: World) -> None:
    shipping = world.shipping
    world.believe()
    world.jobs.begins = False
    with pytest.raises(InfrastructureError, match=r"no Job could be given it: .*ErrImagePull") as told:
        ship(shipping.project, HANDED, silent)
    assert "--here" in told.value.fix
    assert resume(shipping.project, "last", silent, here=True).exit_code == 0


def test_a_rollback_ends_the_job_first(world: World) -> None:
    shipping = world.shipping
    assert finished(shipping, ship(shipping.project, APPROVED, silent))[:2] == (0, "passed")
    old = shipping.live.roles.stable
    committed(shipping)
    world.believe()
    handed = ship(shipping.project, HANDED, silent)
    ended = rollback(shipping.project, Request("Ada", "wrong totals"), silent)
    assert (ended.run, ended.exit_code, world.jobs.ended) == (handed.run, 0, [handed.run])
    assert shipping.live.roles.stable == old
    assert load_run(shipping.tools, handed.run).result == "rolled_back"


def test_the_job_is_followed_to_its_end(world: World) -> None:
    shipping = world.shipping
    world.believe()
    handed = ship(shipping.project, HANDED, silent)
    said: list[str] = []
    with pytest.raises(InfrastructureError, match="ended, and the rollout has no end"):
        follow(shipping.project, handed.run, said.append)
    assert said == [f"the Job of {handed.run} works"]
    assert world.conduct() == 0
    assert follow(shipping.project, handed.run, said.append).exit_code == 0


def test_what_a_job_lacks_is_told_before_the_first_gate(world: World) -> None:
    shipping = world.shipping
    world.jobs.missing = "there is no ServiceAccount n/dawsos"
    with pytest.raises(BadInput, match="there is no ServiceAccount"):
        ship(shipping.project, HANDED, silent)
    world.jobs.missing = ""
    with pytest.raises(BadInput, match="which is not believed here") as told:
        ship(shipping.project, HANDED, silent)
    assert world.jobs.pair[1].strip() in told.value.message
    assert shipping.tools.journal.runs() == []
    world.jobs.pair = key_pair()
    world.believe()
    assert ship(shipping.project, HANDED, silent).exit_code == 75


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("platform: kubernetes, context: c, namespace: n, release: r, chart: charts/x, in_cluster: {image: tool}",
         "platform: local", "live runs on the platform local"),
        ("in_cluster: {image: tool}", "driver: flagger", "flagger conducts the rollouts of live"),
    ],
)  # fmt: skip
def test_where_no_job_can_conduct_it_is_bad_input(world: World, old: str, new: str, words: str) -> None:
    path = world.shipping.project.root / "pipeline.yaml"
    path.write_text(path.read_text().replace(old, new))
    committed(world.shipping, "elsewhere")
    with pytest.raises(BadInput, match=words):
        ship(world.shipping.project, HANDED, silent)


def test_stages_without_a_rollout_have_nothing_to_hand_over(world: World) -> None:
    with pytest.raises(BadInput, match="none of the chosen stages rolls out"):
        ship(world.shipping.project, replace(HANDED, stages=("build",)), silent)

"""The faults of a drill: how they are written, and that they meet the canary only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.rollout.faults import Drill, Fault, end_task, parse_fault
from support.paper import Paper

SERVICE = {
    "jobs": [{"name": "pack", "run": "sh -c 'echo $WHAT >> told'"}],
    "drills": {"bad": {"job": "pack", "env": {"WHAT": "bad"}}},
}


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project", SERVICE)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("errors=5%", Fault("errors=5%", errors=0.05)),
        ("errors=5%@/health", Fault("errors=5%@/health", errors=0.05, path="/health")),
        ("latency=2s", Fault("latency=2s", latency=2.0)),
        ("latency=250ms@/v1", Fault("latency=250ms@/v1", latency=0.25, path="/v1")),
        ("slow=3%", Fault("slow=3%", latency=5.0, share=0.03)),
        ("crash", Fault("crash", crash=True)),
        ("none", Fault("none")),
        ("bad", Fault("bad", job="bad")),
    ],
)
def test_a_fault_is_read(paper: Paper, text: str, fault: Fault) -> None:
    assert parse_fault(text, paper.pipeline.service) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("errors=many", "--fault errors=many: "),
        ("latency=2", "--fault latency=2: "),
        ("errors=5%@health", "'health' is not a path"),
        ("crash=1", "unknown fault 'crash=1'"),
        ("", "unknown fault ''"),
        ("flood", "unknown fault 'flood'; there are: errors=SHARE, latency=DURATION, slow=SHARE, crash, none, bad"),
    ],
)
def test_another_one_is_refused_with_what_there_is(paper: Paper, text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_fault(text, paper.pipeline.service)
    assert words in caught.value.message
    assert caught.value.fix


def test_a_platform_without_faults_says_so_before_anything_happens() -> None:
    wire, own = Fault("errors=5%", errors=0.05), Fault("bad", job="bad")
    with pytest.raises(BadInput, match="the platform of production cannot bring errors=5% about"):
        Drill(wire, None, Path("logs")).must_be_possible("production")
    Drill(own, None, Path("logs")).must_be_possible("production")


def test_a_crash_goes_on_until_the_drill_ends(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, "canary")
    session = paper.session(command="drill")
    context = paper.rollout(session, release)
    drill = Drill(Fault("crash", crash=True), context.platform.faults(), context.logs)

    async def scene() -> None:
        task = asyncio.create_task(drill.cause("canary", context.commands("canary"), paper.clock, 2.0))
        while len(paper.production.crashed) < 3:
            await asyncio.sleep(0)
        await end_task(task)
        assert task.cancelled()

    asyncio.run(scene())
    assert set(paper.production.crashed) == {"canary"}


def test_a_job_gets_its_broken_input_and_its_proper_one_afterwards(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release)
    session = paper.session(command="drill")
    context = paper.rollout(session, release)
    drill = Drill(Fault("bad", job="bad"), context.platform.faults(), context.logs)

    async def scene() -> None:
        await drill.cause("old", context.commands("old"), paper.clock, 2.0)
        await drill.mend(context.commands("old"))

    asyncio.run(scene())
    told = paper.project.environment("production") / "told"
    assert told.read_text().split("\n") == ["bad", "", ""]

"""The faults of a drill: how they are written, and that they meet the canary only."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.platforms.faults import WireFault
from dawsos.rollout.faults import Drill, Fault, end_task, parse_fault
from support.memory_platform import MemoryFaults
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
        ("errors=5%", Fault("errors=5%", WireFault(status=500, share=0.05))),
        ("errors=5%@/health", Fault("errors=5%@/health", WireFault(status=500, share=0.05, path="/health"))),
        ("status=404", Fault("status=404", WireFault(status=404))),
        ("status=429:20%@/v1", Fault("status=429:20%@/v1", WireFault(status=429, share=0.2, path="/v1"))),
        ("latency=2s", Fault("latency=2s", WireFault(latency=2.0))),
        ("latency=250ms@/v1", Fault("latency=250ms@/v1", WireFault(latency=0.25, path="/v1"))),
        ("slow=3%", Fault("slow=3%", WireFault(latency=5.0, share=0.03))),
        ("hang=2%", Fault("hang=2%", WireFault(latency=3600.0, share=0.02))),
        ("empty", Fault("empty", WireFault(status=200, empty=True))),
        ("empty=5%@/v1", Fault("empty=5%@/v1", WireFault(status=200, empty=True, share=0.05, path="/v1"))),
        ("empty@/v1", Fault("empty@/v1", WireFault(status=200, empty=True, path="/v1"))),
        ("reset=5%", Fault("reset=5%", WireFault(closed=True, share=0.05))),
        ("memory", Fault("memory", grows=True)),
        ("exit", Fault("exit", dies=20.0)),
        ("exit=40s", Fault("exit=40s", dies=40.0)),
        ("crash", Fault("crash", dies=0.5)),
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
        ("status=no", "'no' is no status from 200 to 599"),
        ("status=99", "'99' is no status from 200 to 599"),
        ("reset=5%@/v1", "leave the path out"),
        ("reset", "--fault reset: "),
        ("hang", "--fault hang: "),
        ("exit=", "--fault exit=: "),
        ("memory=1", "unknown fault 'memory=1'"),
        ("crash=1", "unknown fault 'crash=1'"),
        ("", "unknown fault ''"),
        (
            "flood",
            "unknown fault 'flood'; there are: errors=SHARE, status=CODE[:SHARE], latency=DURATION, slow=SHARE, ",
        ),
    ],
)
def test_another_one_is_refused_with_what_there_is(paper: Paper, text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_fault(text, paper.pipeline.service)
    assert words in caught.value.message
    assert caught.value.fix


def test_a_platform_without_faults_says_so_before_anything_happens() -> None:
    wire, own = Fault("errors=5%", WireFault(status=500, share=0.05)), Fault("bad", job="bad")
    with pytest.raises(BadInput, match="the platform of production cannot bring errors=5% about"):
        Drill(wire, None, Path("logs")).must_be_possible("production")
    Drill(own, None, Path("logs")).must_be_possible("production")


@pytest.mark.parametrize("fault", [Fault("reset=5%", WireFault(closed=True, share=0.05)), Fault("memory", grows=True)])
def test_so_does_one_that_brings_others_about(paper: Paper, fault: Fault) -> None:
    able = replace(MemoryFaults(paper.production), able=frozenset({"answers", "processes"}))
    with pytest.raises(BadInput, match=f"the platform of production cannot bring {fault.name} about"):
        Drill(fault, able, Path("logs")).must_be_possible("production")
    Drill(fault, MemoryFaults(paper.production), Path("logs")).must_be_possible("production")
    Drill(Fault("exit", dies=20.0), able, Path("logs")).must_be_possible("production")


def test_a_crash_goes_on_until_the_drill_ends(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, "canary")
    session = paper.session(command="drill")
    context = paper.rollout(session, release)
    drill = Drill(Fault("crash", dies=0.5), context.platform.faults(), context.logs)

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

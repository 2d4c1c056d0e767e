"""``dawsos replay``: judge a recorded rollout again with each judge."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.analysis.replay import Replay
from dawsos.analysis.replay import replay as judge_again
from dawsos.analysis.samples import from_facts
from dawsos.errors import BadInput
from dawsos.runs.project import Project, load_run, open_tools
from dawsos.verbs.policies import contenders, policy_named


@dataclass(frozen=True)
class Replays:
    """How a recorded rollout ended, and what each judge says of its samples.

    ``with_latencies`` is False for a recording of an older version, which kept none.
    """

    run: str
    outcome: str
    reason: str
    replays: tuple[Replay, ...]
    with_latencies: bool


def replay(project: Project, run_name: str, policy: str) -> Replays:
    """Judge the rollout of ``run_name`` as it was, and by every judge under ``policy``; raises BadInput when it has none."""
    run = load_run(open_tools(project), run_name)
    rollout = run.rollout
    if rollout is None or not rollout.samples:
        raise BadInput(f"run {run.id} has no recorded rollout", fix="dawsos history; choose a ship or a drill")
    samples = from_facts(rollout.samples)
    judges = contenders(policy_named(project, policy or run.profile or "production"))
    first = not rollout.stable_deployment
    return Replays(
        run=run.id,
        outcome=rollout.outcome,
        reason=rollout.reason,
        replays=tuple(judge_again(name, each, samples, first=first, warm=rollout.warm) for name, each in judges),
        with_latencies=any(counts.latency for sample in samples for counts in (sample.canary, sample.stable)),
    )

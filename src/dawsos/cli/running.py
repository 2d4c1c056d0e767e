"""Carries out the verbs that make a run: ship, run, resume, rollback, drill; each is shown while it goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dawsos.cli.console import annotate, make_console, say
from dawsos.cli.output import here, is_workflow
from dawsos.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_WAITING, BadInput

if TYPE_CHECKING:
    from dawsos.model.pipeline import Pipeline, Stage
    from dawsos.ports import Reporter
    from dawsos.runs.lifecycle import RunOutcome


def ship(  # noqa: PLR0913 - one for each option
    *,
    stages: tuple[str, ...],
    approve_as: str,
    reason: str,
    profile: str,
    no_cache: bool,
    hotfix: str,
    in_cluster: bool,
    wait: bool,
) -> int:
    """``dawsos ship``."""
    if approve_as and not reason:
        raise BadInput("--approve-as needs --reason", fix='for example --approve-as Ada --reason "demo accepted"')
    if wait and not in_cluster:
        raise BadInput("--wait is for --in-cluster: without it every ship is waited for", fix="leave it out")
    from dawsos.verbs.execution import Options
    from dawsos.verbs.ship import ship as verb

    ended = verb(
        here(), Options(profile, approve_as, reason, no_cache, hotfix, stages, in_cluster=in_cluster), _telling_first
    )
    if not wait or ended.job is None:
        return _end(ended)
    from dawsos.verbs.handing_over import follow

    _end(ended)
    return _end(follow(here(), ended.run, lambda line: say(make_console(), line)))


def run(*, stages: tuple[str, ...], no_cache: bool, seed: int | None, profile: str) -> int:
    """``dawsos run``."""
    from dawsos.verbs.execution import Options
    from dawsos.verbs.run import run as verb

    options = Options(profile=profile, stages=stages, no_cache=no_cache, seed=seed)
    return _end(verb(here(), options, make_reporters))


def resume(*, run_id: str, conduct_here: bool) -> int:
    """``dawsos resume``."""
    from dawsos.verbs.resume import resume as verb

    return _end(verb(here(), run_id, make_reporters, here=conduct_here))


def rollback(*, to: str, name: str, reason: str, tag: bool) -> int:
    """``dawsos rollback``."""
    import getpass  # only this verb needs it

    from dawsos.verbs.rollback import Request, tag_what_serves
    from dawsos.verbs.rollback import rollback as verb

    code = _end(verb(here(), Request(name or getpass.getuser(), reason, to), make_reporters))
    if tag and code == EXIT_DONE:
        print(f"tag      {tag_what_serves(here())}")
    return code


def drill(*, fault: str, profile: str) -> int:
    """``dawsos drill``."""
    from dawsos.verbs.drill import drill as verb

    return _end(verb(here(), fault, profile, make_reporters))


def _telling_first(pipeline: Pipeline, stages: Sequence[Stage]) -> tuple[Reporter, ...]:
    """Say what this ship leaves open, before anything of it runs."""
    from dawsos.config.remarks import remarks

    console = make_console()
    for remark in remarks(pipeline, stages):
        say(console, f"remark   {remark}")
    return make_reporters(pipeline, stages)


def make_reporters(pipeline: Pipeline, stages: Sequence[Stage]) -> tuple[Reporter, ...]:
    """Return what shows a run: a live table on a terminal, else one line a fact, with annotations and a summary of the step on
    GitHub Actions.
    """
    from dawsos.adapters.clock import SystemClock
    from dawsos.reporting.step_summary import StepSummary
    from dawsos.reporting.terminal import TerminalReporter

    console = make_console()
    live = console.is_terminal and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    titles = [(stage.id, stage.title or stage.id, stage.budget) for stage in stages]
    shown = TerminalReporter(titles, console, SystemClock(), live, annotate=annotate if is_workflow() else None)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return (shown,)
    project = here()
    return (shown, StepSummary(Path(summary), titles, lambda run: str(project.report(run))))


def _end(ended: RunOutcome) -> int:
    """Say where the report lies and what to do next; return the exit code."""
    console = make_console()
    say(console, f"report   {ended.report}")
    if ended.url and ended.exit_code == EXIT_DONE:
        say(console, f"service  {ended.url}")
    if ended.exit_code == EXIT_INTERRUPTED:
        say(console, f"resume   dawsos resume {ended.run}")
    if ended.job is not None:
        say(console, f"handed   the Job {ended.job.name} conducts the rollout, which has no end yet")
        say(console, f"follow   {ended.job.follow}")
        say(console, f"then     dawsos resume {ended.run}")
    elif ended.exit_code == EXIT_WAITING:
        say(console, f"approve  dawsos approve {ended.run} --as NAME --reason TEXT")
        say(console, f"then     dawsos resume {ended.run}")
    return ended.exit_code

"""Carries out the verbs about judging: simulate, replay, lint of a Flagger manifest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dawsos.analysis.replay import Replay
from dawsos.analysis.simulation.contest import SimulationResult
from dawsos.cli.console import make_console, say
from dawsos.cli.output import here, print_json, print_text
from dawsos.cli.tables import simulation_table
from dawsos.errors import EXIT_DONE, EXIT_GATE_FAILED
from dawsos.verbs import lint_manifest as manifest_verb
from dawsos.verbs import replay as replay_verb
from dawsos.verbs import simulate as simulate_verb
from dawsos.verbs.lint_manifest import LintedCanary
from dawsos.verbs.policies import is_manifest
from dawsos.verbs.simulate import SimulationRequest

_LEVELS = {"error": "red", "warning": "yellow", "note": "dim"}


def simulate(  # noqa: PLR0913 - one parameter an option
    *,
    policy: str,
    traffic: str,
    scenario: tuple[str, ...],
    rollouts: int,
    seed: int,
    picture: str,
    as_json: bool,
) -> None:
    """``dawsos simulate``."""
    scenarios = scenario or SimulationRequest.scenarios
    wanted = SimulationRequest(policy, traffic, scenarios, rollouts, seed, Path(picture) if picture else None)
    project = None if is_manifest(policy) else here()
    with _progress() as tell:
        outcomes = simulate_verb.simulate(project, wanted, tell)
    if as_json:
        print_json([_without_times(one) for one in outcomes])
        return
    console = make_console()
    console.print(simulation_table(outcomes))
    caption = f"{rollouts} rollouts each, {traffic} in all, seed {seed}"
    console.print(caption + (f"; picture: {picture}" if picture else ""), style="dim", markup=False)


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal while the body runs; what is yielded takes the share that is done."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("simulating", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _without_times(one: SimulationResult) -> dict[str, Any]:
    return {key: value for key, value in asdict(one).items() if key != "times"}


def replay(*, run_id: str, policy: str, as_json: bool) -> None:
    """``dawsos replay``."""
    found = replay_verb.replay(here(), run_id, policy)
    if as_json:
        replays = [asdict(one) for one in found.replays]
        print_json({"run": found.run, "outcome": found.outcome, "reason": found.reason, "replays": replays})
        return
    console = make_console()
    say(console, f"run {found.run}: {found.outcome or 'not finished'}: {found.reason}")
    for one in found.replays:
        say(console, _replay_text(one))
    if not found.with_latencies:
        console.print("this recording has no latencies: it was made by an older version", style="yellow")


def _replay_text(one: Replay) -> str:
    doubt = f"; under suspicion from {one.suspected_at:.0f} s on" if one.suspected_at is not None else ""
    if one.failing_at is None:
        return (
            f"{one.name:12} no rollback in {one.samples} samples, {one.doubted} of them undecided{doubt}: {one.reason}"
        )
    return f"{one.name:12} rolls back at {one.failing_at:.0f} s, at {one.weight} %{doubt}: {one.reason}"


def lint_manifest(path: Path, traffic: str, *, as_json: bool) -> int:
    """``dawsos lint FLAGGER.yaml``; 1 when something of it cannot work."""
    found = manifest_verb.lint_manifest(path, traffic)
    if as_json:
        print_json([_manifest_json(one) for one in found])
    else:
        console = make_console()
        for one in found:
            _show_manifest(path, one, console)
            if one.simulated:
                console.print(f"\nsimulated at {traffic}, as if every metric could be read:", markup=False)
                console.print(simulation_table(one.simulated))
            else:
                console.print(f"\nnot simulated: {one.unsimulated}", markup=False)
    return EXIT_GATE_FAILED if any(one.broken for one in found) else EXIT_DONE


def _manifest_json(one: LintedCanary) -> dict[str, Any]:
    manifest = one.manifest
    return {
        **asdict(manifest),
        "rollback_seconds": manifest.rollback_seconds,
        "promote_seconds": manifest.promote_seconds,
        "simulated": [_without_times(outcome) for outcome in one.simulated],
        "not_simulated": one.unsimulated,
    }


def _show_manifest(path: Path, one: LintedCanary, console: Console) -> None:
    manifest = one.manifest
    walk = " ".join(map(str, manifest.weights[:12])) + (" ..." if len(manifest.weights) > 12 else "")
    tail = "" if manifest.ticks is not None else ", and stays there"
    way = f"{walk} %{tail}, a step" if walk else f"{manifest.strategy}, a check"
    console.print(f"Canary {manifest.name}: {way} every {manifest.interval:g} s", markup=False)
    console.print(
        f"a bad canary is rolled back after {manifest.rollback_seconds / 60:g} min at the earliest", markup=False
    )
    healthy = manifest.promote_seconds
    waits = f", and not before {' and '.join(manifest.gates)} agrees" if manifest.gates else ""
    fate = "never promoted" if healthy is None else f"promoted after {healthy / 60:g} min{waits}"
    console.print(f"a healthy canary is {fate}\n", markup=False)
    order = list(_LEVELS)
    for finding, line in sorted(
        zip(manifest.findings, one.lines, strict=True), key=lambda pair: order.index(pair[0].level)
    ):
        fix = f"\n    fix: {finding.fix}" if finding.fix else ""
        console.print(
            f"{path}:{line}: {finding.level}: {finding.message}{fix}", style=_LEVELS[finding.level], markup=False
        )


def judge(*, listen: str, context: str | None) -> None:
    """``dawsos judge``."""
    from dawsos.verbs import judge as verb

    verb.judge(here(), listen, context, lambda line: print_text(line + "\n"))

"""The verbs about judging: simulate, replay, lint of a Flagger manifest."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dawsos.analysis.replay import Replay, replay
from dawsos.analysis.samples import from_bodies
from dawsos.analysis.simulation.contest import SimulationResult, contest
from dawsos.analysis.simulation.picture import picture
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.config.documents import Documents
from dawsos.errors import EXIT_DONE, EXIT_GATE_FAILED, BadInput
from dawsos.importers.flagger import Manifest, read_manifest
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import JudgeName
from dawsos.runs.project import Project, load, load_run, open_tools

_TRAFFIC = re.compile(r"(\d+(?:\.\d+)?)\s*(?:rps|/s)?")
_OTHERS: tuple[tuple[str, JudgeName], ...] = (("thresholds", "thresholds"), ("flagger", "flagger"))
_MANIFEST_ROLLOUTS = 300


@dataclass(frozen=True)
class SimulationRequest:
    """What is to be simulated: ``policy`` is a profile of pipeline.yaml or the path of a Flagger manifest."""

    policy: str = "production"
    traffic: str = "200rps"
    scenarios: tuple[str, ...] = ("aa", "errors=5%")
    rollouts: int = 1000
    seed: int = 7
    picture: Path | None = None


def parse_traffic(text: str) -> float:
    """Return requests a second for ``200rps`` or ``200``; raises BadInput."""
    match = _TRAFFIC.fullmatch(text.strip())
    if not match or not 0 < float(match.group(1)) <= 1e6:
        raise BadInput(f"traffic {text!r} is no rate", fix="write it like 200rps")
    return float(match.group(1))


def simulate(project: Project | None, wish: SimulationRequest, *, as_json: bool, console: Console) -> None:
    """Simulate rollouts under the policy, the threshold rule and Flagger's, on the same traffic."""
    world = World(rate=parse_traffic(wish.traffic))
    scenarios = [parse_scenario(text) for text in wish.scenarios]
    if not 1 <= wish.rollouts <= 100_000:
        raise BadInput(f"{wish.rollouts} rollouts", fix="give --rollouts between 1 and 100000")
    contenders = _contenders(_policy(project, wish.policy))
    outcomes: list[SimulationResult] = []
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("simulating", total=float(len(scenarios)))
        for number, scenario in enumerate(scenarios):

            def tell(done: float, before: int = number) -> None:
                bar.update(task, completed=before + done)

            outcomes += contest(world, scenario, contenders, wish.rollouts, wish.seed, tell)
    if wish.picture is not None:
        wish.picture.write_text(picture(outcomes), encoding="utf-8")
    if as_json:
        _print_json([{key: value for key, value in asdict(one).items() if key != "times"} for one in outcomes])
        return
    console.print(_table(outcomes))
    said = f"{wish.rollouts} rollouts each, {wish.traffic} in all, seed {wish.seed}"
    console.print(said + (f"; picture: {wish.picture}" if wish.picture else ""), style="dim", markup=False)


def _policy(project: Project | None, name: str) -> RolloutPolicy:
    if name.endswith((".yaml", ".yml")):
        return _manifests(Path(name))[1][0].policy()
    if project is None:
        raise BadInput(
            f"no pipeline.yaml here for policy {name!r}", fix="start in a project, or give a Flagger manifest"
        )
    pipeline = load(project.root)
    if name != "production" and name not in pipeline.profiles:
        known = ", ".join(["production", *pipeline.profiles])
        raise BadInput(f"unknown policy {name!r}; there are: {known}", fix="or give the path of a Flagger manifest")
    return pipeline.policy(name)


def _contenders(policy: RolloutPolicy) -> list[tuple[str, RolloutPolicy]]:
    """Return the policy itself, then the judges it does not use, with the same limits."""
    made: list[tuple[str, RolloutPolicy]] = [(policy.judge, policy)]
    for name, judge in (("statistical", "statistical"), *_OTHERS):
        if judge != policy.judge:
            made.append((name, policy.model_copy(update={"judge": judge})))
    return made


def _table(outcomes: Sequence[SimulationResult]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("scenario", no_wrap=True)
    table.add_column("judge", no_wrap=True)
    for column in ("rolled back", "median", "p95", "failed requests", "promoted", "after", "undecided"):
        table.add_column(column, justify="right", no_wrap=True)
    before = ""
    for one in outcomes:
        table.add_row(
            one.scenario if one.scenario != before else "", one.judge, f"{one.rolled_back:.2%}", _seconds(one.median),
            _seconds(one.p95), f"{one.failed:,.1f}", f"{one.promoted:.1%}", _seconds(one.to_promote),
            f"{one.undecided:.1%}",
        )  # fmt: skip
        before = one.scenario
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} s"


def show_replay(project: Project, run_name: str, policy: str, *, as_json: bool, console: Console) -> None:
    """Judge a recorded rollout again: as it was, and by every judge under ``policy``."""
    run = load_run(open_tools(project), run_name)
    rollout = run.rollout
    if rollout is None or not rollout.samples:
        raise BadInput(f"run {run.id} has no recorded rollout", fix="dawsos history; choose a ship or a drill")
    samples = from_bodies(rollout.samples)
    contenders = _contenders(_policy(project, policy or run.profile or "production"))
    first = not rollout.stable_deployment
    found = [replay(name, each, samples, first=first) for name, each in contenders]
    if as_json:
        _print_json(
            {"run": run.id, "outcome": rollout.outcome, "reason": rollout.reason, "replays": [asdict(r) for r in found]}
        )
        return
    console.print(f"run {run.id}: {rollout.outcome or 'not finished'}: {rollout.reason}", markup=False, soft_wrap=True)
    for one in found:
        console.print(_replay_text(one), markup=False, soft_wrap=True)
    if not any(counts.latency for sample in samples for counts in (sample.canary, sample.stable)):
        console.print("this recording has no latencies: it was made by an older version", style="yellow")


def _replay_text(one: Replay) -> str:
    doubt = f"; under suspicion from {one.suspected_at:.0f} s on" if one.suspected_at is not None else ""
    if one.failing_at is None:
        return (
            f"{one.name:12} no rollback in {one.samples} samples, {one.doubted} of them undecided{doubt}: {one.reason}"
        )
    return f"{one.name:12} rolls back at {one.failing_at:.0f} s, at {one.weight} %{doubt}: {one.reason}"


def _manifests(path: Path) -> tuple[Documents, list[Manifest]]:
    if not path.is_file():
        raise BadInput(f"there is no file {path}", fix="give the path of a Flagger manifest")
    documents = Documents(path.read_text(encoding="utf-8"), str(path))
    return documents, read_manifest(documents.values)


def lint_manifest(path: Path, traffic: str, *, as_json: bool, console: Console) -> int:
    """Say what a Flagger manifest will really do, and simulate it; return the exit code, 1 when something cannot work."""
    documents, manifests = _manifests(path)
    broken = any(finding.level == "error" for manifest in manifests for finding in manifest.findings)
    simulated = [_simulated(manifest, traffic) for manifest in manifests]
    if as_json:
        _print_json([
            {**asdict(manifest), "rollback_seconds": manifest.rollback_seconds, "promote_seconds": manifest.promote_seconds,
             "simulated": [{k: v for k, v in asdict(o).items() if k != "times"} for o in outcomes]}
            for manifest, outcomes in zip(manifests, simulated, strict=True)
        ])  # fmt: skip
        return EXIT_GATE_FAILED if broken else EXIT_DONE
    for manifest, outcomes in zip(manifests, simulated, strict=True):
        _show_manifest(path, documents, manifest, console)
        if outcomes:
            console.print(f"\nsimulated at {traffic}, as if every metric could be read:", markup=False)
            console.print(_table(outcomes))
    return EXIT_GATE_FAILED if broken else EXIT_DONE


def _show_manifest(path: Path, documents: Documents, manifest: Manifest, console: Console) -> None:
    walk = " ".join(map(str, manifest.weights[:12])) + (" ..." if len(manifest.weights) > 12 else "")
    tail = "" if manifest.ends else ", and stays there"
    console.print(f"Canary {manifest.name}: {walk} %{tail}, a step every {manifest.interval:g} s", markup=False)
    console.print(
        f"a bad canary is rolled back after {manifest.rollback_seconds / 60:g} min at the earliest", markup=False
    )
    healthy = manifest.promote_seconds
    fate = "never promoted" if healthy is None else f"promoted after {healthy / 60:g} min"
    console.print(f"a healthy canary is {fate}\n", markup=False)
    styles = {"error": "red", "warning": "yellow", "note": "dim"}
    for finding in sorted(manifest.findings, key=lambda one: ("error", "warning", "note").index(one.level)):
        line = documents.line(finding.place)
        fix = f"\n    fix: {finding.fix}" if finding.fix else ""
        console.print(
            f"{path}:{line}: {finding.level}: {finding.message}{fix}", style=styles[finding.level], markup=False
        )


def _simulated(manifest: Manifest, traffic: str) -> list[SimulationResult]:
    try:
        policy = manifest.policy()
    except BadInput:
        return []
    world = World(rate=parse_traffic(traffic))
    both = [("this manifest", policy), ("statistical", policy.model_copy(update={"judge": "statistical"}))]
    found: list[SimulationResult] = []
    for name in ("aa", "errors=5%"):
        found += contest(world, parse_scenario(name), both, _MANIFEST_ROLLOUTS, 7)
    return found


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")

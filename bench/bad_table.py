"""The tables and ratios of `bench/bad_releases.py`: our real rollouts, and every judge on the same recordings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bad_kinds import KINDS, POLICY, Kind

from dawsos.analysis.judges import make_judge
from dawsos.analysis.samples import from_facts
from dawsos.model.events import RolloutSampled
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Sample

# The rules beside ours: which judge, every how many seconds it checks.  All roll back after five failed checks.
RULES = {
    "ours": ("statistical", 60.0), "thresholds": ("thresholds", 60.0),
    "Flagger 60 s": ("flagger", 60.0), "Flagger 10 s": ("flagger", 10.0),
}  # fmt: skip
Told = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What one rule says of a recording: the second of its decision (None: it made none), and its failed checks among all."""

    at: float | None
    failed: int
    checks: int
    seconds: float

    def words(self, wrong: list[float]) -> str:
        """Return when it decided and how many wrong answers users had by then."""
        if self.at is not None:
            return f"{self.at:.0f} s; {sum(at <= self.at for at in wrong)}"
        # A recording is shorter than five checks of a minute: when all of it failed, more time would have been enough.
        if 0 < self.checks < 5 and self.failed == self.checks:
            return f"not before 300 s; > {len(wrong)}"
        # The fault began late in the recording, or ours, which makes no checks, needs longer.
        return "not yet" if self.failed or not self.checks else "never"


def read_samples(path: Path) -> list[Sample]:
    with gzip.open(path, "rt") as lines:
        return from_facts(RolloutSampled.read(body) for body in json.load(lines))


def as_flagger_counts(sample: Sample) -> Sample:
    """Return the sample as Flagger's query for Envoy has it: by the status of the answer, so that one that breaks off after its
    headers is none of the errors.  What was tried again elsewhere counts, which is more than a retrying route would show it."""
    canary = sample.canary
    return replace(sample, canary=replace(canary, errors=canary.errors - canary.faults.get("short", 0)))


def asked(rule: str, kind: Kind, samples: list[Sample]) -> Asked:
    judge_name, interval = RULES[rule]
    ladder = [{"weight": 5, "duration": 300}, {"weight": 100, "duration": 300}]
    # A check is so many samples, and on a busy machine a sample is longer than a second.
    seen = [sample.seconds for sample in samples if sample.weight]
    tick = f"{round(1000 * sum(seen) / len(seen))}ms"
    given = {**POLICY, "ladder": ladder, **kind.policy, "judge": judge_name, "check_interval": interval, "tick": tick}
    judge = make_judge(RolloutPolicy.model_validate(given))
    elapsed, failed = 0.0, 0
    for sample in samples:
        judgement = judge.observe(as_flagger_counts(sample) if judge_name == "flagger" else sample)
        if not sample.weight:
            continue
        elapsed += sample.seconds
        failed = judgement.consecutive_failures
        if judgement.verdict == "failing":
            return Asked(elapsed, failed, 0, elapsed)
    return Asked(None, failed, 0 if judge_name == "statistical" else int(elapsed / interval), elapsed)


def table(done: list[Told], folder: Path) -> str:
    known = {kind.name: kind for kind in KINDS}
    mine = [told for told in done if "failed" not in told and told["release"] in known]
    parts = [_releases(mine, folder, bad=True), _releases(mine, folder, bad=False), "\n".join(_ratios(mine, known))]
    lost = [told for told in done if "failed" in told]
    return "\n\n".join(parts) + (f"\n\nNOT DONE: {len(lost)} rollouts" if lost else "")


def _releases(done: list[Told], folder: Path, *, bad: bool) -> str:
    head = ["bad release" if bad else "harmless release", "rolled back", "where", "seconds", "wrong answers", *RULES]
    rows = [_row(kind, done, folder) for kind in KINDS if kind.bad == bad]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *filter(None, rows)])


def _row(kind: Kind, done: list[Told], folder: Path) -> list[str]:
    real = [told for told in done if told["release"] == kind.name and told["mode"] == "rollout"]
    recorded = [told for told in done if told["release"] == kind.name and told["mode"] == "record"]
    if not real and not recorded:
        return []
    back = [told for told in real if told["outcome"] == "rolled_back"]
    where = sorted({told["where"] for told in back})
    cells = [
        kind.name, f"{len(back)} of {len(real)}", ", ".join(where), _spread(told.get("seconds", 0) for told in back),
        _spread(told.get("wrong", 0) for told in (real if kind.bad else back)),
    ]  # fmt: skip
    if not recorded or not (folder / recorded[-1]["samples"]).exists() or "seconds" not in recorded[-1]:
        return [*cells, *["" for _ in RULES]]
    samples = read_samples(folder / recorded[-1]["samples"])
    return [*cells, *(asked(rule, kind, samples).words(recorded[-1]["wrong_at"]) for rule in RULES)]


def _spread(values: Iterable[float]) -> str:
    found = sorted(values)
    if not found:
        return ""
    return f"{median(found):.0f}" + (f" ({found[0]:.0f} to {found[-1]:.0f})" if len(found) > 1 else "")


def _ratios(done: list[Told], known: dict[str, Kind]) -> list[str]:
    real = [told for told in done if told["mode"] == "rollout"]
    bad = {name: [t for t in real if t["release"] == name] for name, kind in known.items() if kind.bad}
    bad = {name: tries for name, tries in bad.items() if tries}
    found = [name for name, tries in bad.items() if all(t["outcome"] == "rolled_back" for t in tries)]
    before = [name for name, tries in bad.items() if all(t["where"] in ("comparison", "deploy") for t in tries)]
    shown = [name for name in bad if known[name].declared]
    wrong = [median(t.get("wrong", 0) for t in bad[name]) for name in found if name not in before]
    harmless = [t for t in real if not t["bad"]]
    back = [t for t in harmless if t["outcome"] == "rolled_back"]
    return [
        f"- bad releases found: {len(found)} of {len(bad)}; missed: {', '.join(n for n in bad if n not in found) or 'none'}",
        f"- before any user: {len(before)}; of those that the declared requests show: "
        f"{sum(name in before for name in shown)} of {len(shown)}",
        f"- wrong answers of the others, median of the releases: {median(wrong):.0f}"
        if wrong
        else "- no other was found",
        f"- harmless releases rolled back: {len(back)} of {len(harmless)} rollouts"
        + "".join(f"; {t['release']} ({t['where']})" for t in back),
    ]

#!/usr/bin/env python3
"""Real drills on the embedded platform, many of each fault: when was the rollback decided, beside what the simulator says.

    python bench/drills.py [--small] errors=100%:20 errors=5%:20 latency=2s:20 crash:20 pack:20 none:20

Each drill is a rollout of the serving release against itself under the profile `drill` (200 requests a second); `none` is an A/A
rollout.  Takes about a minute a drill and both cores.  Seconds are counted from the canary's first traffic to the decision.

Without `--small` the service is DawsOS, and the checkout must have shipped (`./dawsos ship ...`); two slow cores may not serve 200
requests of it a second, which the printed rate shows.  `--small` ships the service of bench/drill_service in a temporary folder and
drills that, under the same policy: then the judge is measured at the full rate, on the real platform, whatever the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROFILE = "drill"


@contextmanager
def small_service() -> Iterator[Path]:
    """Ship bench/drill_service in a temporary folder, yield the folder, and stop everything again."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "shop"
        shutil.copytree(ROOT / "bench" / "drill_service", project)
        # What the build needs is locked already, with hashes, among what builds the tool.
        lock = re.split(r"^(?=\S)", (ROOT / "requirements" / "dev.txt").read_text(), flags=re.MULTILINE)
        pins = {pin.partition("==")[0]: pin for pin in lock}
        for name, packages in {
            "tools.txt": ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"),
            "requirements.txt": ("pluggy",),
        }.items():
            (project / name).write_text("".join(pins[package] for package in packages))
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(project)]
        subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
        (project / ".gitignore").write_text(".dawsos/\n")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "the shop"], check=True)
        try:
            code, said = dawsos(project, "ship")
            if code:
                raise SystemExit(f"the small service was not shipped, exit {code}:\n{said}")
            yield project
        finally:
            dawsos(project, "down", "--purge")


def dawsos(project: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([str(ROOT / "dawsos"), *words], cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def one(project: Path, fault: str) -> tuple[int, float, int, float, str]:
    """Return (exit code, seconds to the decision, the canary's bad requests, requests a second, reason) of one drill."""
    code, _ = dawsos(project, "drill", "--fault", fault, "--profile", PROFILE)
    run = json.loads(dawsos(project, "show", "last", "--json")[1])
    rollout = run["rollout"]
    if rollout is None:
        raise SystemExit(f"the drill {fault} did not come to a rollout: {run['reason']}")
    judged = [sample for sample in rollout["samples"] if sample["weight"]]
    seconds = sum(s["seconds"] for s in judged)
    requests = sum(s["canary"]["requests"] + s["stable"]["requests"] for s in judged)
    errors = sum(s["canary"]["errors"] for s in judged)
    return code, seconds, errors, requests / seconds if seconds else 0.0, rollout["reason"]


def replayed(project: Path, judge: str) -> str:
    """Return when ``judge`` would have rolled the last drill back, judged on its own samples."""
    found = json.loads(dawsos(project, "replay", "last", "--policy", PROFILE, "--json")[1])["replays"]
    (asked,) = [replay for replay in found if replay["name"] == judge]
    return "never" if asked["failing_at"] is None else f"{asked['failing_at']:.0f} s"


def predicted(project: Path, fault: str, rate: float) -> str:
    """Return what the simulator says of ``fault`` at ``rate`` requests a second; empty where it has no such scenario."""
    scenario = "aa" if fault == "none" else fault
    traffic = ("--traffic", f"{rate:.0f}rps", "--rollouts", "300", "--scenario", scenario)
    code, said = dawsos(project, "simulate", PROFILE, *traffic, "--json")
    if code:
        return ""
    (ours,) = [row for row in json.loads(said) if row["judge"] == "statistical"]
    times = f", median {ours['median']:.1f} s, p95 {ours['p95']:.1f} s" if ours["median"] is not None else ""
    return f"; simulated at {rate:.0f} rps: {ours['rolled_back']:.1%} rolled back{times}"


def drills(project: Path, fault: str, count: int) -> None:
    """Make ``count`` drills of ``fault`` and print each, then all of them beside the simulator."""
    codes, times, rates = [], [], []
    for number in range(count):
        code, seconds, errors, rate, reason = one(project, fault)
        codes.append(code)
        times.append(seconds)
        rates.append(rate)
        print(
            f"{fault:22} {number + 1:3}  exit {code}  {seconds:6.1f} s  {errors:4} errors  {rate:4.0f} rps  "
            f"thresholds {replayed(project, 'thresholds')}  {reason}",
            flush=True,
        )
    print(
        f"== {fault}: {codes.count(4)} of {len(codes)} rolled back, median {statistics.median(times):.1f} s, "
        f"from {min(times):.1f} to {max(times):.1f} s{predicted(project, fault, statistics.mean(rates))}",
        flush=True,
    )


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--small", action="store_true", help="drill the service of bench/drill_service instead of DawsOS"
    )
    parser.add_argument("drills", nargs="*", metavar="FAULT[:COUNT]")
    asked = parser.parse_args(words)
    known = [
        "errors=100%:20",
        "errors=5%:20",
        "latency=2s:20",
        "crash:20",
        *([] if asked.small else ["pack:20"]),
        "none:20",
    ]
    wanted = [word.partition(":") for word in asked.drills or known]
    if asked.small:
        with small_service() as project:
            for fault, _, count in wanted:
                drills(project, fault, int(count or 1))
    else:
        for fault, _, count in wanted:
            drills(ROOT, fault, int(count or 1))


if __name__ == "__main__":
    main(sys.argv[1:])

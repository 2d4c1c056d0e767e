#!/usr/bin/env python3
"""Real drills on the embedded platform, many of each fault: when was the rollback decided, beside what the simulator says.

    python bench/drills.py errors=5%:20 latency=2s:20 crash:20 pack:20 none:20

Needs a checkout that has shipped (`./dawsos ship ...`).  Each drill is a rollout of the serving release against itself under the
profile `drill` of pipeline.yaml (200 requests a second); `none` is an A/A rollout.  Takes about a minute a drill and both cores.
Seconds are counted from the canary's first traffic to the decision.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def dawsos(*words: str) -> tuple[int, str]:
    done = subprocess.run([str(ROOT / "dawsos"), *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def one(fault: str, profile: str) -> tuple[int, float, int, float, str]:
    """Return (exit code, seconds to the decision, the canary's bad requests, requests a second, reason) of one drill."""
    code, _ = dawsos("drill", "--fault", fault, "--profile", profile)
    run = json.loads(dawsos("show", "last", "--json")[1])
    rollout = run["rollout"]
    if rollout is None:
        raise SystemExit(f"the drill {fault} did not come to a rollout: {run['reason']}")
    judged = [sample for sample in rollout["samples"] if sample["weight"]]
    seconds = sum(s["seconds"] for s in judged)
    requests = sum(s["canary"]["requests"] + s["stable"]["requests"] for s in judged)
    errors = sum(s["canary"]["errors"] for s in judged)
    return code, seconds, errors, requests / seconds if seconds else 0.0, rollout["reason"]


def replayed(judge: str, profile: str) -> str:
    found = json.loads(dawsos("replay", "last", "--policy", profile, "--json")[1])["replays"]
    (asked,) = [replay for replay in found if replay["name"] == judge]
    return "never" if asked["failing_at"] is None else f"{asked['failing_at']:.0f} s"


def main(wanted: list[str]) -> None:
    for word in wanted:
        fault, _, count = word.partition(":")
        codes, times = [], []
        for number in range(int(count or 1)):
            code, seconds, errors, rate, reason = one(fault, "drill")
            codes.append(code)
            times.append(seconds)
            others = replayed("thresholds", "drill")
            print(
                f"{fault:22} {number + 1:3}  exit {code}  {seconds:6.1f} s  {errors:4} errors  {rate:4.0f} rps  "
                f"thresholds {others}  {reason}",
                flush=True,
            )
        back = codes.count(4)
        print(
            f"== {fault}: {back} of {len(codes)} rolled back, median {statistics.median(times):.1f} s, "
            f"from {min(times):.1f} to {max(times):.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:] or ["errors=5%:20", "latency=2s:20", "crash:20", "pack:20", "none:20"])

#!/usr/bin/env python3
"""Real rollouts on one cluster in one run: this tool beside Flagger, the same service, the same traffic, the same faults.

    python bench/kubernetes.py [--rate 200] [--tools ours,flagger-10,flagger-60] [--out FILE]
        errors=100%:5 errors=5%:5 slow:5 crash:5 none:20
    python bench/kubernetes.py shifts:200

A fault is in the code of a release of tests/support/tiny_service.py; each release is an image of its own.  `none` is an A/A rollout:
how many innocent ones go back.  `shifts` moves the weight between 50 and 0 and says how long the canary still answered, and what was
lost.  Each rollout is a line of JSON in FILE; the tables compare medians, and say the rate that was really served.

Needs a cluster (docs/testing.md): the project's own is brought up where DAWSOS_KUBERNETES names its programs.  Run with the tool's
development environment, nothing else on the machine.  A rollout of ours takes a minute and a half, one of Flagger at 60 s eight.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "bench")]
os.environ["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT / 'tests'}"

from kubernetes_flagger import Flagger  # noqa: E402 - the paths come first

from support import cluster as existing  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.conductor import Scene  # noqa: E402
from support.oci import tiny_release  # noqa: E402
from support.own_cluster import own_cluster, reason_against  # noqa: E402
from support.sender import Sent, users  # noqa: E402

FAULTS: dict[str, dict[str, float]] = {
    "errors=100%": {"FAIL": 1.0},
    "errors=20%": {"FAIL": 0.2},
    "errors=5%": {"FAIL": 0.05},
    "slow": {"SLOW": 2.0},
    "crash": {"CRASH_AFTER": 20},
    "none": {},
}
# That of profile `drill`, which bench/drills.py uses on one machine: the objectives of DawsOS, shorter steps.
POLICY: dict[str, Any] = {
    "ladder": [{"weight": w, "duration": f"{s}s"} for w, s in ((5, 20), (25, 10), (45, 10), (65, 10), (85, 10), (100, 5))],
    "error_rate": "0.5%", "p95": "1.2s", "latency_tolerance": "100ms", "check_interval": "5s", "min_requests": 1,
    "warm_up": {"duration": "5s"}, "no_data_deadline": "60s",
}  # fmt: skip
SERVED_ALONE = 8.0


@contextlib.contextmanager
def some_cluster() -> Iterator[Cluster]:
    if os.environ.get(existing.VARIABLE):
        found = existing.cluster()
        os.environ["KUBECONFIG"] = str(found.kubeconfig)
        yield found
        return
    against = reason_against()
    if against:
        raise SystemExit(f"no cluster: {against}")
    with own_cluster() as made:
        yield made


class Ours:
    """This tool's platform and controller, as `dawsos ship` runs them in its stage `canary`."""

    name = "ours"

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        namespace = f"bench-ours-{os.getpid()}"
        cluster.kubectl("create", "namespace", namespace)
        folder.mkdir()
        self.scene = Scene(cluster, cluster.gateways["contour"], namespace, folder)
        self.host, self.namespace = self.scene.host, namespace
        self._runs = 0

    def first(self, release: Any) -> None:
        self.scene.first(release)

    def roll_out(self, release: Any) -> dict[str, Any]:
        self._runs += 1
        return self.scene.ended(self.scene.roll_out(release, f"b{self._runs}", POLICY), 900)


def one(tool: Any, sent: Sent, release: Any, fault: str) -> dict[str, Any]:
    """Roll out one release and return what users saw of it, in seconds from the canary's first answer."""
    began = time.time()
    told = tool.roll_out(release)
    time.sleep(2)
    answers = sent.between(began)
    # A broken answer does not say who gave it; on this gateway only the canary is broken.
    canary = [answer for answer in answers if answer.by == release.commit or answer.bad]
    start = min((answer.at for answer in canary), default=began)
    bad = [answer for answer in answers if answer.bad]
    slow = [answer for answer in answers if answer.at - answer.sent > 1.2]
    return {
        "tool": tool.name,
        "fault": fault,
        "outcome": told["outcome"],
        "reason": told["reason"],
        "decided": told["decided"] - start if told["decided"] else None,
        "proven": told.get("seconds"),
        "last_bad": max((answer.at for answer in (*bad, *slow)), default=start) - start,
        "failed": len(bad),
        "slow": len(slow),
        "requests": len(answers),
        "rate": len(answers) / (time.time() - began),
    }


def rollouts(tool: Any, address: str, rate: float, work: list[tuple[str, int]], keep: Callable[[Any], None]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    stable = tiny_release(folder, f"stable {tool.name}")
    tool.first(stable)
    with users(address, tool.host, rate, senders=16) as sent:
        time.sleep(SERVED_ALONE)
        for fault, count in work:
            for number in range(count):
                release = tiny_release(folder, f"{tool.name} {fault} {number} {os.getpid()}", **FAULTS[fault])
                found = one(tool, sent, release, fault)
                keep(found)
                print(
                    f"{tool.name:12} {fault:12} {number + 1:3}  {found['outcome']:12} decided {_s(found['decided'])}  last bad "
                    f"{_s(found['last_bad'])}  failed {found['failed']:5} of {found['requests']}  {found['rate']:4.0f} rps",
                    flush=True,
                )


def shifts(tool: Ours, address: str, rate: float, count: int) -> None:
    """Move the weight ``count`` times to 50 and back, by the tool's own traffic, and print what became of it."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    stable, other = tiny_release(folder, "shift stable"), tiny_release(folder, "shift other")
    tool.first(stable)
    latencies: list[float] = []

    async def move(sent: Sent) -> None:
        from dawsos.model.environment import EnvironmentSettings
        from dawsos.platforms.contract import EnvironmentSpec
        from support.conductor import SERVICE

        platform = tool.scene.platform()
        settings = EnvironmentSettings.model_validate(tool.scene.settings)
        await platform.prepare(EnvironmentSpec(SERVICE, settings))
        await platform.deploy("other", other)
        await platform.route("first", "other", 0)
        traffic = platform.traffic()
        try:
            for _ in range(count):
                await traffic.set_weight(50)
                await asyncio.sleep(1)
                at = time.time()
                await traffic.set_weight(0)
                await asyncio.sleep(1)
                late = [answer.at for answer in sent.between(at - 5) if answer.by == other.commit and answer.at >= at]
                latencies.append(max(late, default=at) - at)
        finally:
            await traffic.close()
            await platform.route("first", None, 0)

    with users(address, tool.host, rate, senders=16) as sent:
        time.sleep(2)
        since = time.time()
        asyncio.run(move(sent))
        time.sleep(1)
    ordered = sorted(latencies)
    lost, p99 = sent.bad(since), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    print(
        f"{count} shifts to 0 %: the canary's last answer came {statistics.median(ordered) * 1e3:.0f} ms (median), "
        f"{p99 * 1e3:.0f} ms (p99), {ordered[-1] * 1e3:.0f} ms (at most) after the call; "
        f"{len(lost)} of {len(sent.between(since))} requests lost {[answer.status for answer in lost[:5]]}"
    )


def table(found: list[dict[str, Any]]) -> None:
    """Print medians, and how many times ours each other takes."""
    names = list(dict.fromkeys(row["tool"] for row in found))
    for fault in dict.fromkeys(row["fault"] for row in found):
        print(f"\n== {fault}")
        ours: dict[str, float] = {}
        for name in names:
            rows = [row for row in found if (row["tool"], row["fault"]) == (name, fault)]
            if not rows:
                continue
            back = sum(row["outcome"] == "rolled_back" for row in rows)
            cells = [f"{name:12} {back} of {len(rows)} rolled back"]
            for key in () if fault == "none" else ("decided", "last_bad", "failed", "slow"):
                numbers = [row[key] for row in rows if row[key] is not None]
                if not numbers:
                    continue
                median = statistics.median(numbers)
                if name == "ours":
                    ours[key] = median
                ratio = f" ({median / ours[key]:.1f} x)" if name != "ours" and ours.get(key) else ""
                cells.append(f"{key} {median:.1f}{ratio}")
            print("  ".join(cells) + f"  at {statistics.mean(row['rate'] for row in rows):.0f} rps")


def _s(seconds: float | None) -> str:
    return "     -" if seconds is None else f"{seconds:6.1f}"


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--tools", default="ours,flagger-10,flagger-60")
    parser.add_argument("--out", type=Path, default=Path("bench-kubernetes.jsonl"))
    parser.add_argument("work", nargs="*", metavar="FAULT[:COUNT] | shifts:COUNT")
    asked = parser.parse_args(words)
    wanted = [
        (name, int(count or 1)) for name, _, count in (word.partition(":") for word in asked.work or ["errors=100%"])
    ]
    unknown = [name for name, _ in wanted if name not in (*FAULTS, "shifts")]
    if unknown:
        raise SystemExit(f"unknown fault {unknown[0]!r}; there are: {', '.join(FAULTS)}, shifts")
    found: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        found.append(row)
        with asked.out.open("a") as lines:
            print(json.dumps(row), file=lines)

    with some_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        address, made = cluster.gateways["contour"].address, []
        try:
            for name in asked.tools.split(","):
                digest = hashlib.sha256(name.encode()).hexdigest()[:4]
                interval = name.partition("-")[2]
                tool: Any = (
                    Ours(cluster, Path(folder) / digest) if name == "ours" else Flagger(cluster, float(interval))
                )
                made.append(tool)
                for count in (count for kind, count in wanted if kind == "shifts" and name == "ours"):
                    shifts(tool, address, asked.rate, count)
                work = [pair for pair in wanted if pair[0] != "shifts"]
                if work:
                    rollouts(tool, address, asked.rate, work, keep)
        finally:
            for tool in made:
                cluster.kubectl("delete", "namespace", tool.namespace, "--wait=false", "--ignore-not-found")
    table(found)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
"""Real rollouts on one cluster in one run: this tool beside Flagger, the same service, the same traffic, the same faults.

    python bench/kubernetes.py [--rate 200] [--out FILE] [WORK ...]

WORK is a tool with what it does, and the next tool: `ours errors=5%:5 none:20 flagger-10 errors=5%`.  `+` begins work that is done
at the same time, in a namespace of its own and with as many requests a second of its own; `then` waits for what is before it.

    ours           this tool's platform and controller, as `dawsos ship` runs them in its stage `canary`
    flagger-N      Flagger with an interval of N seconds
    judged-N       the same with `dawsos judge` beside it
    FAULT[:COUNT]  rollouts of a release of tests/support/tiny_service.py with this fault in its code, an image each; `none` is an
                   A/A rollout: how many innocent ones go back
    shifts:COUNT@GATEWAY[/REACH]
                   the weight between 50 and 0 through contour or traefik: how long the canary still answers, what is lost.
                   REACH (api, direct) is how the gateway's counters are asked

Each rollout is a line of JSON in FILE; the tables compare medians, and say the rate that was really served.  Without WORK everything
that docs/kubernetes.md shows is done, which takes an hour.

Needs a cluster (docs/testing.md): the project's own is brought up where DAWSOS_KUBERNETES names its programs.  Run with the tool's
development environment, nothing else on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "bench")]
os.environ["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT / 'tests'}"

from kubernetes_flagger import Flagger, Judged  # noqa: E402 - the paths come first
from kubernetes_shifts import shifts  # noqa: E402

from support import cluster as existing  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.conductor import Scene  # noqa: E402
from support.oci import base_layer, tiny_release  # noqa: E402
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
PLAN = (
    "ours errors=100%:5 errors=5%:5 slow:5 crash:5 judged-10 errors=100%:3 errors=5%:3 slow:3 crash:3 none:2 "
    "flagger-10 errors=100%:2 errors=5%:2 slow:2 + flagger-60 errors=100% errors=5% slow crash none "
    "+ ours none:20 flagger-10 crash:2 none:2 then ours shifts:200@contour/direct shifts:200@traefik/direct"
)
SERVED_ALONE = 8.0
# A slow release keeps that many requests waiting, and the others must go on being sent.
SENDERS = 64
SLOW = 1.2
_NUMBERS = itertools.count(1)


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


def completed(cluster: Cluster, plan: Sequence[str]) -> Cluster:
    """Return the cluster with the parts that the plan needs, which are added to one of the project's own."""
    needed = {
        "flagger": not cluster.prometheus and any(word.startswith(("flagger", "judged")) for word in plan),
        "traefik": "traefik" not in cluster.gateways and any("@traefik" in word for word in plan),
    }
    missing = [name for name, absent in needed.items() if absent]
    if not missing:
        return cluster
    whole = cluster.added(*missing)
    # What is done at the same time is done by processes that read this.
    file = cluster.kubeconfig.parent / "described.yaml"
    file.write_text(cluster.node("describe"))
    os.environ[existing.VARIABLE] = str(file)
    return whole


class Ours:
    """This tool's platform and controller, as `dawsos ship` runs them in its stage `canary`."""

    name = "ours"

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self.namespace = cluster, f"bench-ours-{os.getpid()}-{next(_NUMBERS)}"
        cluster.kubectl("create", "namespace", self.namespace)
        self.scene = Scene(cluster, cluster.gateways["contour"], self.namespace, folder)
        self.host = self.scene.host
        self._runs = 0

    def first(self, release: Any) -> None:
        self.scene.first(release)

    def roll_out(self, release: Any) -> dict[str, Any]:
        self._runs += 1
        process = self.scene.roll_out(release, f"b{self._runs}", POLICY)
        try:
            return self.scene.ended(process, 900)
        finally:
            process.kill()

    def close(self) -> None:
        self._cluster.kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")


def made(cluster: Cluster, name: str) -> Any:
    kind, _, interval = name.partition("-")
    if kind == "ours":
        return Ours(cluster, Path(tempfile.mkdtemp(prefix="bench-")))
    return Flagger(cluster, float(interval)) if kind == "flagger" else Judged(cluster, float(interval), POLICY)


def one(tool: Any, sent: Sent, release: Any, fault: str) -> dict[str, Any]:
    """Roll out one release and return what users saw of it, in seconds from the canary's first answer."""
    began = time.time()
    told = tool.roll_out(release)
    time.sleep(3)
    answers = sent.between(began)
    # A broken answer does not say who gave it; on this gateway only the canary is broken.
    canary = [answer for answer in answers if answer.by == release.commit or answer.bad]
    start = min((answer.at for answer in canary), default=began)
    bad = [answer for answer in answers if answer.bad]
    slow = [answer for answer in canary if answer.at - answer.sent > SLOW and not answer.bad]
    return {
        "tool": tool.name,
        "fault": fault,
        "outcome": told["outcome"],
        "reason": told["reason"],
        "decided": told["decided"] - start if told["decided"] else None,
        "proven": told.get("seconds"),
        "failed_phase": told["failed_at"] - start if told.get("failed_at") else None,
        "last_bad": max((answer.at for answer in (*bad, *slow)), default=start) - start,
        "failed": len(bad),
        "slow": len(slow),
        "by_canary": len(canary),
        "requests": len(answers),
        "rate": len(answers) / (time.time() - began),
        "load": os.getloadavg()[0],
    }


def rollouts(tool: Any, address: str, rate: float, work: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    tool.first(tiny_release(folder, f"stable {tool.name} {os.getpid()}"))
    with users(address, tool.host, rate, senders=SENDERS) as sent:
        time.sleep(SERVED_ALONE)
        for fault, count in work:
            for number in range(count):
                release = tiny_release(folder, f"{tool.name} {fault} {number} {os.getpid()}", **FAULTS[fault])
                found = one(tool, sent, release, fault)
                print(
                    f"{tool.name:11} {fault:11} {number + 1:2}  {found['outcome']:11} decided {_s(found['decided'])}  last bad "
                    f"{_s(found['last_bad'])}  failed {found['failed']:5}  slow {found['slow']:4} of {found['requests']}  "
                    f"{found['rate']:4.0f} rps",
                    flush=True,
                )
                yield found


def shifted(cluster: Cluster, what: str, rate: float) -> dict[str, Any]:
    """Carry out ``shifts:COUNT@GATEWAY/REACH``."""
    count, _, where = what.partition("@")
    name, _, reach = where.partition("/")
    tool = Ours(cluster, Path(tempfile.mkdtemp(prefix="bench-")))
    gateway = {"kind": name, "reach": reach or "api"}
    scene = replace(tool.scene, gateway=cluster.gateways[name], more={"gateway": gateway})
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        stable, other = (tiny_release(folder, f"{word} {os.getpid()}") for word in ("stable", "other"))
        found = {"tool": "ours", "fault": "shifts", **gateway, **shifts(scene, (stable, other), rate, int(count))}
    finally:
        tool.close()
    print(json.dumps(found), flush=True)
    return found


def lane(cluster: Cluster, words: Sequence[str], rate: float, out: Path) -> None:
    """Do the work of one lane in this process, a line of JSON in ``out`` for each rollout."""
    for name, work in sections(words):
        for what in (what for kind, what in work if kind == "shifts"):
            keep(out, shifted(cluster, what, rate))
        faults = [(kind, int(count or 1)) for kind, count in work if kind != "shifts"]
        if not faults:
            continue
        tool = made(cluster, name)
        try:
            for row in rollouts(tool, cluster.gateways["contour"].address, rate, faults):
                keep(out, row)
        finally:
            tool.close()


def keep(out: Path, row: dict[str, Any]) -> None:
    with out.open("a") as lines:
        print(json.dumps(row), file=lines)


def sections(words: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each tool with its work (kind, count or what); raises SystemExit for a word that is neither."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for word in words:
        kind, _, count = word.partition(":")
        tool, _, interval = word.partition("-")
        if word == "ours" or (tool in ("flagger", "judged") and interval.isdigit()):
            found.append((word, []))
        elif found and kind in (*FAULTS, "shifts"):
            found[-1][1].append((kind, count))
        else:
            raise SystemExit(f"{word!r} is no tool, and no fault after a tool; faults: {', '.join(FAULTS)}, shifts")
    return found


def split(words: Sequence[str], mark: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == mark:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def beside(lanes: list[list[str]], rate: float, out: Path) -> None:
    """Do the lanes at the same time, each in a process of its own: senders of one must not wait for those of another."""
    argv = [sys.executable, __file__, "--rate", str(rate), "--out", str(out), "--lane"]
    running = [subprocess.Popen([*argv, *words]) for words in lanes]
    try:
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.terminate()
    if any(codes):
        raise SystemExit("a part of the measurement ended early; what it said stands above")


def table(found: list[dict[str, Any]]) -> None:
    """Print medians with their range, and how many times ours each other takes."""
    rollouts = [row for row in found if row["fault"] != "shifts"]
    names = sorted({row["tool"] for row in rollouts}, key=lambda name: (name != "ours", name))
    for fault in dict.fromkeys(row["fault"] for row in rollouts):
        print(f"\n== {fault}")
        ours: dict[str, float] = {}
        for name in names:
            rows = [row for row in rollouts if (row["tool"], row["fault"]) == (name, fault)]
            if not rows:
                continue
            back = sum(row["outcome"] == "rolled_back" for row in rows)
            cells = [f"{name:11} {back} of {len(rows)} rolled back"]
            for key in ("failed",) if fault == "none" else ("decided", "last_bad", "failed", "slow"):
                cells += _cell(key, [row[key] for row in rows if row[key] is not None], name, ours)
            print("  ".join(cells) + f"  at {statistics.mean(row['rate'] for row in rows):.0f} rps")


def _cell(key: str, numbers: list[float], name: str, ours: dict[str, float]) -> list[str]:
    if not numbers:
        return []
    median = statistics.median(numbers)
    if name == "ours":
        ours[key] = median
    ratio = f" = {median / ours[key]:.1f} x ours" if name != "ours" and ours.get(key) else ""
    spread = f" ({min(numbers):.1f} to {max(numbers):.1f})" if len(numbers) > 1 else ""
    return [f"{key} {median:.1f}{spread}{ratio}"]


def _s(seconds: float | None) -> str:
    return "     -" if seconds is None else f"{seconds:6.1f}"


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--out", type=Path, default=Path("bench-kubernetes.jsonl"))
    parser.add_argument("--lane", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--table", action="store_true", help="only print the tables of FILE")
    parser.add_argument("work", nargs="*", metavar="WORK")
    asked = parser.parse_args(words)
    plan = asked.work or PLAN.split()
    for part in split([word for word in plan if word != "+"], "then"):
        sections(part)
    if not asked.table:
        with some_cluster() as found:
            cluster = found if asked.lane else completed(found, plan)
            base_layer()
            for phase in split(plan, "then"):
                lanes = split(phase, "+")
                if len(lanes) == 1:
                    lane(cluster, lanes[0], asked.rate, asked.out)
                else:
                    beside(lanes, asked.rate, asked.out)
    if not asked.lane:
        table([json.loads(line) for line in asked.out.read_text().splitlines()])


if __name__ == "__main__":
    # So that namespaces and processes are taken away as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(sys.argv[1:])

#!/usr/bin/env python3
"""What a run costs beyond its commands: twelve no-op stages in dawsos, doit, nox and make, measured in turn on this machine.

    python bench/overhead.py [--rounds 10] [--profile]

Each runner carries out the same twelve commands (``true`` in a shell), one after the other because each needs the one before, as its
users start it.  Rounds are interleaved, so that a busy moment hits all.  dawsos runs without its cache; what it does and the others
do not: a journal on disk before each step, a log per step, a guard that leaves no process behind, gates on evidence, a
signed statement per stage, a signed summary and an HTML report.  doit and nox are installed from bench/overhead.txt, hash-locked, into
.dawsos/bench.  ``--profile`` shows where dawsos' own time goes instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = [f"stage{number:02}" for number in range(1, 13)]
PIPELINE = """version: 2
name: overhead
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 1s}
service: {project: ., requirements: requirements.txt, command: python -m http.server}
rollout: {ladder: [{weight: 100, duration: 1s}]}
profiles: {laptop: {durations: [1s]}}
stages:
"""


def before(index: int) -> str:
    return STAGES[index - 1] if index else ""


def write_project(folder: Path) -> None:
    """Write the same twelve stages for every runner."""
    stages, doit, nox, make = [PIPELINE], [], ["import nox\n"], [f"all: {STAGES[-1]}\n"]
    for index, name in enumerate(STAGES):
        need = before(index)
        needs = f"needs: [{need}], " if need else ""
        stages.append(f'  - {{id: {name}, {needs}steps: [{{run: "true"}}], gates: [exit_status]}}\n')
        deps = f'"task_dep": ["{need}"], ' if need else ""
        doit.append(f'def task_{name}():\n    return {{{deps}"actions": ["sh -euc true"], "uptodate": [False]}}\n\n')
        requires = f', requires=["{need}"]' if need else ""
        run = "    session.run('sh', '-euc', 'true', external=True)\n"
        nox.append(f"@nox.session(venv_backend='none'{requires})\ndef {name}(session):\n{run}")
        make.append(f".PHONY: {name}\n{name}: {need}\n\t@sh -euc true\n")
    (folder / "pipeline.yaml").write_text("".join(stages))
    (folder / "dodo.py").write_text("".join(doit))
    (folder / "noxfile.py").write_text("\n".join(nox))
    (folder / "Makefile").write_text("".join(make))
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "-qm", "twelve stages that do nothing"], check=True)


def peers() -> Path:
    """Return the folder with doit's and nox's programs, installed when missing."""
    venv = ROOT / ".dawsos" / "bench"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "-r", str(ROOT / "bench" / "overhead.txt")], check=True)
        (venv / "ready").touch()
    return venv / "bin"


def commands(programs: Path) -> dict[str, list[str]]:
    """Return runner -> argv, as a person would start it."""
    found = {
        "dawsos": [sys.executable, "-m", "dawsos.cli", "run", "--no-cache"],
        "dawsos, launcher": [str(ROOT / "dawsos"), "run", "--no-cache"],
        "doit": [str(programs / "doit")],
        "nox": [str(programs / "nox"), "-s", STAGES[-1]],
    }
    return {**found, "make": ["make", "-s"]} if shutil.which("make") else found


def measure(argv: list[str], folder: Path) -> tuple[float, float]:
    """Run ``argv`` once; return seconds of wall time and of the processor, its children's included."""
    # Where Python may not keep what it compiled, only the one that runs from a checkout would pay for that.
    env = {key: word for key, word in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = str(ROOT / "src") if "dawsos.cli" in argv else ""
    earlier, started = os.times(), time.perf_counter()
    done = subprocess.run(
        argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    wall, later = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended {done.returncode}:\n{done.stdout}{done.stderr}")
    cpu = later.children_user + later.children_system - earlier.children_user - earlier.children_system
    return wall, cpu


def compare(folder: Path, rounds: int) -> None:
    """Print a table: the median and the best of ``rounds`` for each runner."""
    runners = commands(peers())
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
    for name, argv in runners.items():
        measure(argv, folder)  # the first run compiles what the others find compiled
        times[name].clear()
    for _ in range(rounds):
        for name, argv in runners.items():
            times[name].append(measure(argv, folder))
    doit = statistics.median(wall for wall, _ in times["doit"])
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {rounds} rounds, Python {sys.version.split()[0]}")
    print(f"{'runner':18} {'wall median':>12} {'wall best':>10} {'CPU median':>11} {'of doit':>8}")
    for name, pairs in times.items():
        wall, cpu = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        middle = statistics.median(wall)
        print(f"{name:18} {middle:10.3f} s {min(wall):8.3f} s {statistics.median(cpu):9.3f} s {middle / doit:7.2f}x")


def profile(folder: Path) -> None:
    """Print where the time of one dawsos run goes."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    out = folder / "profile"
    command = ["-m", "cProfile", "-o", str(out), "-m", "dawsos.cli", "run", "--no-cache"]
    subprocess.run([sys.executable, *command], cwd=folder, env=env, check=False, stdout=subprocess.DEVNULL)
    show = f"import pstats; pstats.Stats({str(out)!r}).sort_stats('tottime').print_stats(40)"
    subprocess.run([sys.executable, "-c", show], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dawsos-overhead-") as name:
        folder = Path(name)
        write_project(folder)
        if options.profile:
            profile(folder)
        else:
            compare(folder, options.rounds)


if __name__ == "__main__":
    main()

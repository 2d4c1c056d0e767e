#!/usr/bin/env python3
"""What it costs to start: processor time of short commands, this checkout against an earlier commit, in one run.

    python bench/start.py [--against 9091e4c] [--rounds 15] [--runs 5] [COMMAND ...]

The earlier commit is checked out into a temporary folder.  Each of the two gets a small project of its own in which it has made
``--runs`` runs, so that there is a history to read.  Rounds are interleaved, so that a busy moment hits both; what is
measured is the processor time (user and system) of the command and its children, which depends less on the machine's
load than wall time does.  Both use this interpreter and its packages.  Exit code 1 when a ratio is above ``--most``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["--help", "history", "status", "plan"]
_STAGES = """
stages:
  - {id: lint, steps: [{run: "true"}], gates: [exit_status]}
  - {id: unit, needs: [lint], steps: [{run: "true"}], gates: [exit_status]}
"""
_SERVICE = "name: start\nservice: {project: ., requirements: requirements.txt, command: python -m http.server}\n"
# Version 1 is what commits before October 2026 read.
_COMMON = (
    "slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 1s}\nprofiles: {laptop: {durations: [1s]}}\n" + _SERVICE + _STAGES
)
# In version 1, which earlier commits read, the rollout repeats two of the SLO's numbers.
PIPELINES = (
    "version: 2\nrollout: {ladder: [{weight: 100, duration: 1s}]}\n" + _COMMON,
    "version: 1\nrollout: {ladder: [{weight: 100, duration: 1s}], error_rate: 1%, p95: 1s}\n" + _COMMON,
)


class Candidate:
    """One version of the tool: ``source`` is its folder of packages, ``project`` a project in which it has made runs."""

    def __init__(self, name: str, source: Path, project: Path) -> None:
        self.name = name
        self.project = project
        # Where Python may not keep what it compiled, each start would compile every module anew.
        self._env = {key: word for key, word in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self._env |= {"PYTHONPATH": str(source), "DAWSOS_HOME": str(project / ".dawsos")}

    def cpu(self, command: str) -> float:
        """Run ``dawsos COMMAND`` and return its processor time in seconds; raises SystemExit when it fails."""
        code, seconds, said = self._measured(command)
        if code:
            raise SystemExit(f"{self.name}: dawsos {command} ended {code}:\n{said}")
        return seconds

    def _measured(self, command: str) -> tuple[int, float, str]:
        """Return the exit code, the processor time and the error output of ``dawsos COMMAND``."""
        argv = [sys.executable, "-m", "dawsos.cli", *command.split()]
        process = subprocess.Popen(
            argv, cwd=self.project, env=self._env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        with process.stderr:
            said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_utime + usage.ru_stime, said

    def make_history(self, runs: int) -> None:
        """Write the project in the version that this tool reads, and make ``runs`` runs in it."""
        for text in PIPELINES:
            (self.project / "pipeline.yaml").write_text(text)
            if self._measured("lint")[0] == 0:
                break
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(self.project)]
        for words in (["init", "-q"], ["add", "pipeline.yaml", "requirements.txt"], ["commit", "-qm", "a project"]):
            subprocess.run([*git, *words], check=True)
        for _ in range(runs):
            self.cpu("run --no-cache")


def compare(earlier: Candidate, now: Candidate, commands: list[str], rounds: int) -> dict[str, float]:
    """Print a table of medians; return command -> ratio of now to earlier."""
    ratios = {}
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {rounds} rounds, Python {sys.version.split()[0]}")
    print(f"{'processor time':18} {earlier.name:>12} {'this checkout':>14} {'ratio':>7}")
    for command in commands:
        times: dict[str, list[float]] = {earlier.name: [], now.name: []}
        for candidate in (earlier, now):
            candidate.cpu(command)  # the first start compiles what the others find compiled
        for _ in range(rounds):
            for candidate in (earlier, now):
                times[candidate.name].append(candidate.cpu(command))
        before, after = statistics.median(times[earlier.name]), statistics.median(times[now.name])
        ratios[command] = after / before
        print(f"dawsos {command:11} {before:10.3f} s {after:12.3f} s {ratios[command]:7.2f}")
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", default=COMMANDS)
    parser.add_argument("--against", default="9091e4c", metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=5, help="runs in the history of each project")
    parser.add_argument("--most", type=float, default=float("inf"), help="fail when a ratio is above this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dawsos-start-") as name:
        folder = Path(name)
        tree = folder / "earlier"
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), options.against], check=True
        )
        try:
            candidates = []
            for title, source in ((options.against, tree / "src"), ("now", ROOT / "src")):
                project = folder / f"project-{len(candidates)}"
                project.mkdir()
                (project / "requirements.txt").touch()
                candidates.append(Candidate(title, source, project))
                candidates[-1].make_history(options.runs)
            ratios = compare(candidates[0], candidates[1], options.commands, options.rounds)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)
    return 1 if max(ratios.values()) > options.most else 0


if __name__ == "__main__":
    sys.exit(main())

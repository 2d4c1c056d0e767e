"""Commands as they really run: their log, their budget, and nothing of them left, whatever they do against it."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import HEAD, TAIL, ProcessRunner
from dawsos.adapters.reapers import reapers
from dawsos.adapters.redactor import Masker
from dawsos.model.process import Command, CommandOutcome
from waiting import is_gone, pids_in, wait_until

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
# A child and a grandchild of their own sessions, all three deaf to TERM, each telling its pid.
_THREE = 'trap "" TERM; echo $$ > three.pid; sleep 60; sleep 60'
_TWO = f"trap '' TERM; echo $$ > two.pid; setsid sh -c {shlex.quote(_THREE)} & sleep 60; sleep 60"
STUBBORN = f"""
trap '' TERM
echo $$ > one.pid
setsid sh -c {shlex.quote(_TWO)} &
while [ ! -s three.pid ]; do sleep 0.01; done
"""


def command(
    script: str, folder: Path, *, budget: float = 30.0, env: dict[str, str] = ENV, grace: float = 0.1
) -> Command:
    return Command(("/bin/sh", "-euc", script), str(folder), env, str(folder / "logs" / "step.log"), budget, grace)


def run(wanted: Command, *secrets: str) -> tuple[CommandOutcome, str]:
    outcome = asyncio.run(ProcessRunner(SystemClock(), Masker(secrets)).run(wanted))
    log = Path(wanted.log)
    return outcome, log.read_text() if log.exists() else ""


def test_what_a_command_says_on_both_streams_is_in_its_log(tmp_path: Path) -> None:
    outcome, log = run(command("echo out; echo err >&2; printf 'no end of line'", tmp_path))
    assert (outcome.classification, outcome.exit_code) == ("ok", 0)
    assert outcome.seconds > 0
    assert log == "out\nerr\nno end of line"


@pytest.mark.parametrize(
    ("script", "classification", "code", "words"),
    [
        ("exit 3", "failed", 3, "exit code 3"),
        ("no-such-program", "failed", 127, "command not found"),
        ("kill -TERM $$", "failed", 128 + 15, "exit code 143"),
        ("kill -KILL $$", "infrastructure", 128 + 9, "out of memory?"),
    ],
)
def test_how_a_command_ends_is_told(script: str, classification: str, code: int, words: str, tmp_path: Path) -> None:
    outcome, _ = run(command(script, tmp_path))
    assert (outcome.classification, outcome.exit_code) == (classification, code)
    assert words in outcome.message


def test_a_program_that_is_not_there_is_the_command_s_fault(tmp_path: Path) -> None:
    wanted = Command(("no-such-program",), str(tmp_path), ENV, str(tmp_path / "log"), 10.0)
    outcome, log = run(wanted)
    assert (outcome.classification, outcome.exit_code) == ("failed", 127)
    assert "cannot start no-such-program" in log


def test_a_folder_that_is_not_there_is_the_machine_s_fault(tmp_path: Path) -> None:
    reapers().start()
    before = psutil.Process().num_fds()
    wanted = Command(("true",), str(tmp_path / "nowhere"), ENV, str(tmp_path / "log"), 10.0)
    outcome, _ = run(wanted)
    assert (outcome.classification, outcome.exit_code) == ("infrastructure", None)
    assert "cannot start" in outcome.message
    assert psutil.Process().num_fds() == before


def test_nothing_of_the_caller_s_environment_leaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "yes")
    _, log = run(command("env", tmp_path, env={**ENV, "MINE": "1"}))
    assert "LEAK" not in log
    assert "MINE=1" in log


def test_a_command_cannot_read_from_the_terminal(tmp_path: Path) -> None:
    assert run(command("wc -c", tmp_path))[1].strip() == "0"


def test_a_command_over_its_budget_is_ended_with_every_descendant(tmp_path: Path) -> None:
    outcome, _ = run(command(STUBBORN + "sleep 60", tmp_path, budget=1.0))
    assert outcome.classification == "timeout"
    assert outcome.message == "stopped after its budget of 1 s"
    assert outcome.seconds < 15
    assert all(map(is_gone, pids_in(tmp_path, 3)))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    outcome, _ = run(command(STUBBORN, tmp_path))
    assert outcome.classification == "ok"
    assert all(map(is_gone, pids_in(tmp_path, 3)))


def test_a_command_that_obeys_may_clean_up_before_it_ends(tmp_path: Path) -> None:
    script = "trap 'echo cleaned; exit 0' TERM; echo $$ > one.pid; while true; do sleep 0.01; done"
    outcome, log = run(command(script, tmp_path, budget=0.3, grace=10.0))
    assert outcome.classification == "timeout"
    assert log.endswith("cleaned\n")


def test_cancelling_ends_the_tree_first(tmp_path: Path) -> None:
    async def cancelled() -> None:
        runner = ProcessRunner(SystemClock(), Masker())
        task = asyncio.create_task(runner.run(command(STUBBORN + "sleep 60", tmp_path)))
        await asyncio.to_thread(pids_in, tmp_path, 3)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert all(map(is_gone, pids_in(tmp_path, 3)))


def test_cancelling_while_a_command_is_being_started_leaves_no_descriptor_open(tmp_path: Path) -> None:
    reapers().start()
    before = psutil.Process().num_fds()

    async def cancelled() -> None:
        loop_s = psutil.Process().num_fds() - before
        runner = ProcessRunner(SystemClock(), Masker())
        for steps in range(6):
            task = asyncio.create_task(runner.run(command("sleep 60", tmp_path)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # The streams of a reaper that never got to work are closed with it.
        async with asyncio.timeout(20):
            while psutil.Process().num_fds() > before + loop_s:
                await asyncio.sleep(0.01)

    asyncio.run(cancelled())
    assert psutil.Process().num_fds() == before


_CALLER = """
import asyncio, sys
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.process import Command
script, folder = sys.argv[1:]
command = Command(("/bin/sh", "-euc", script), folder, {"PATH": "/usr/bin:/bin"}, folder + "/log", 60.0, 0.1)
asyncio.run(ProcessRunner(SystemClock(), Masker()).run(command))
"""


def caller(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": "src"}
    return subprocess.Popen([sys.executable, "-c", _CALLER, STUBBORN + "sleep 60", str(folder)], env=environment)


def test_when_the_caller_is_killed_nothing_of_the_command_is_left(tmp_path: Path) -> None:
    process = caller(tmp_path)
    try:
        pids = pids_in(tmp_path, 3)
        assert not any(map(is_gone, pids))
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: all(map(is_gone, pids)))


def test_a_killed_guard_is_the_machine_s_fault(tmp_path: Path) -> None:
    async def killed() -> CommandOutcome:
        runner = ProcessRunner(SystemClock(), Masker())
        # The shell's parent is the reaper.
        return await runner.run(command("kill -KILL $PPID; sleep 0.05", tmp_path))

    outcome = asyncio.run(killed())
    assert (outcome.classification, outcome.message) == ("infrastructure", "the reaper was killed")


def test_a_line_longer_than_any_buffer_is_kept_whole(tmp_path: Path) -> None:
    _, log = run(command("head -c 3000000 /dev/zero | tr '\\0' x; echo end", tmp_path))
    assert len(log) == 3_000_004
    assert log.endswith("xend\n")


@pytest.mark.parametrize("before", [0, 65_533, 65_536, 131_070])
def test_a_secret_is_masked_wherever_the_pieces_are_cut(before: int, tmp_path: Path) -> None:
    script = f"head -c {before} /dev/zero | tr '\\0' x; printf s3c; sleep 0.05; printf 'ret-token and more'"
    _, log = run(command(script, tmp_path), "s3cret-token")
    assert log == "x" * before + "*** and more"


def test_a_letter_cut_in_two_is_whole_and_what_is_no_text_is_marked(tmp_path: Path) -> None:
    _, log = run(command("printf '\\303'; sleep 0.05; printf '\\244 \\377\\n'", tmp_path))
    assert log == "ä \N{REPLACEMENT CHARACTER}\n"


def test_a_second_attempt_s_log_is_added_to_the_first(tmp_path: Path) -> None:
    run(command("echo one", tmp_path))
    assert run(command("echo two", tmp_path))[1] == "one\ntwo\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_is_told_at_once_and_not_after_the_budget(tmp_path: Path) -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x; echo done > done"
    wanted = Command(("/bin/sh", "-euc", script), str(tmp_path), ENV, "/dev/full", 10.0, 0.1)
    outcome = asyncio.run(ProcessRunner(SystemClock(), Masker()).run(wanted))
    assert outcome.classification == "infrastructure"
    assert "cannot write /dev/full" in outcome.message
    assert outcome.seconds < 5
    # The command itself was not held up by it.
    assert (tmp_path / "done").exists()


def test_a_log_has_a_limit_and_says_what_was_left_out(tmp_path: Path) -> None:
    """Its beginning is there and its end, where the reason is; the command is never held up."""
    script = "echo first; head -c 70000000 /dev/zero | tr '\\0' x; echo; echo last"
    outcome, log = run(command(script, tmp_path))
    assert outcome.classification == "ok"
    assert log.startswith("first\nxxx")
    assert log.endswith("xxx\nlast\n")
    assert HEAD + TAIL <= len(log) < HEAD + 2 * TAIL
    (said,) = [line for line in log.splitlines() if line.startswith("[dawsos cut this log: ")]
    left_out = int("".join(filter(str.isdigit, said)))
    assert len(log) - len(f"\n{said}\n") + left_out == 70_000_000 + len("first\n\nlast\n")
    whole, log = run(command("head -c 49000000 /dev/zero | tr '\\0' y", tmp_path / "whole"))
    assert (whole.classification, log) == ("ok", "y" * 49_000_000)

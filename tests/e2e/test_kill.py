"""Whatever is killed, and whenever: production answers from the stable release, the run comes to an end, nothing is left."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time

import psutil
import pytest

from dawsos.adapters.http import get
from e2e.clone import Clone, until

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("DAWSOS_TEST_KILLS", "1"))
VICTIMS = ("controller", "supervisor", "proxy", "backend", "postgres")


def _kill(clone: Clone, victim: str, ship_pid: int, chance: random.Random) -> None:
    """KILL one process of the kind ``victim`` of production, which must be there."""
    production = str(clone.path / ".dawsos" / "environments" / "production")
    if victim == "controller":
        os.kill(ship_pid, signal.SIGKILL)
        return
    if victim == "supervisor":
        found = [p for p in clone.processes() if "dawsos.platforms.local.supervisor" in p.cmdline()]
        # The keeper and the supervisor share a command line; the supervisor is the child.
        pids = [p.pid for p in found if production in p.cmdline() and p.ppid() in {other.pid for other in found}]
    else:
        names = {"proxy": ["proxy"], "postgres": ["postgres"]}.get(victim)
        status = clone.status()["processes"]
        pids = [p["pid"] for p in status if (p["name"] in names if names else "." in p["name"]) and p["pid"]]
    assert pids, f"no {victim} to kill"
    psutil.Process(chance.choice(sorted(pids))).kill()


def _moment(clone: Clone, ship: subprocess.Popen[str], chance: random.Random, whole: float) -> str:
    """Wait for a random moment of ``ship``, half of the time one of the rollout, and say which it was."""
    pause = chance.uniform(0, whole)
    where = f"{pause:.1f} s after the start"
    if chance.random() < 0.5:
        until(lambda: bool(clone.status()["roles"].get("canary")) or ship.poll() is not None, 400, "a canary")
        pause = chance.uniform(0, 6)
        where = f"{pause:.1f} s after the canary came"
    deadline = time.monotonic() + pause
    while ship.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)  # the moment of the kill is what is random
    return where


@pytest.mark.timeout(60 + 300 * KILLS)
def test_kills_at_random_moments(shipped: Clone) -> None:
    seed = int(os.environ.get("DAWSOS_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"DAWSOS_TEST_SEED={seed}")
    chance = random.Random(seed)
    # What a ship takes whose gates are restored, when nothing is killed.
    whole = float(os.environ.get("DAWSOS_TEST_WHOLE", "25"))
    served = {shipped.version()}
    victims = chance.sample(VICTIMS, len(VICTIMS))
    url = shipped.status()["url"]
    for number in range(KILLS):
        victim = victims[number % len(victims)]
        commit = shipped.commit(f"kill {number}: {victim}")
        with shipped.running("ship", "--approve-as", "Ada", "--reason", "kill test") as ship:
            where = f"seed {seed}, kill {number} ({victim}, {_moment(shipped, ship, chance, whole)})"
            print(where, flush=True)
            if ship.poll() is None:
                _kill(shipped, victim, ship.pid, chance)
            out, err = ship.communicate(timeout=240)
        shipped.nothing_left(where)
        if ship.returncode == -signal.SIGKILL:
            resumed = shipped.dawsos("resume")
            # Killed before its first word or after its last, there is nothing to resume.
            assert resumed.code in (0, 2, 4), f"{where}: {resumed.text}"
            if resumed.code == 2:
                assert "no unfinished run" in resumed.text, f"{where}: {resumed.text}"
        else:
            assert ship.returncode in (0, 1, 3, 4), f"{where}: {out}{err}"

        def answers() -> str:
            health = asyncio.run(get(f"{url}/health", timeout=2))
            return str(health["body"]["version"]) if health["status_code"] == 200 else ""

        version = until(answers, 30, f"production answers after {where}")
        run = shipped.show()
        assert run["result"] in ("passed", "rolled_back", "infrastructure", "failed"), where
        assert run["journal_problems"] == [], where
        state = shipped.status()
        assert state["weight"] == 0 or "canary" not in state["roles"], f"{where}: {state['roles']}"
        promoted = (run["rollout"] or {}).get("outcome") == "promoted" and run["commit"] == commit
        assert version == commit if promoted else version in served, f"{where}: {run['reason']}"
        served.add(version)
    until(lambda: shipped.dawsos("verify").code == 0, 60, "production verifies")
    shipped.nothing_left("the last kill")

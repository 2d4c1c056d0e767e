"""Whatever is killed, and whenever: no rejected release keeps traffic, no proof is false, and only what was under way on it is lost.

On a cluster of its own, which nobody else needs meanwhile.  ``DAWSOS_TEST_KILLS`` says how many (3 unless told),
``DAWSOS_TEST_SEED`` repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dawsos.model.release import Release
from support.conductor import Scene
from support.own_cluster import WANTED, own_cluster, reason_against
from support.sender import Sent, users

KILLS = int(os.environ.get("DAWSOS_TEST_KILLS", "3"))
GONE = 20.0
RATE = 50.0
POLICY: dict[str, Any] = {
    "ladder": [{"weight": 20, "duration": "8s"}, {"weight": 60, "duration": "6s"}, {"weight": 100, "duration": "4s"}],
    "error_rate": "1%",
    "p95": "1s",
    "check_interval": "5s",
    "min_requests": 1,
    "tick": "1s",
    "lease": "5s",
    # Longer than what is gone comes back.
    "no_data_deadline": "90s",
}


@dataclass(frozen=True)
class Victim:
    """``kill`` ends it; ``loses`` is how long after the kill requests may fail, those that were under way on it or on its way."""

    kill: Callable[[Scene, subprocess.Popen[str], random.Random], None]
    loses: float = 0.0


def _controller(scene: Scene, rollout: subprocess.Popen[str], _chance: random.Random) -> None:
    rollout.kill()


def _pods(scene: Scene, namespace: str, labels: str) -> list[str]:
    found = json.loads(scene.cluster.kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "json"))["items"]
    return sorted(pod["metadata"]["name"] for pod in found if pod["status"].get("phase") == "Running")


def _kill_pod(scene: Scene, namespace: str, labels: str, chance: random.Random) -> None:
    pods = _pods(scene, namespace, labels)
    if pods:
        scene.cluster.kubectl(
            "delete", "pod", "-n", namespace, chance.choice(pods), "--grace-period=0", "--force", "--wait=false"
        )


def _guardian(scene: Scene, _rollout: subprocess.Popen[str], chance: random.Random) -> None:
    _kill_pod(scene, scene.namespace, "app.kubernetes.io/component=guardian", chance)


def _envoy(scene: Scene, _rollout: subprocess.Popen[str], chance: random.Random) -> None:
    _kill_pod(scene, "projectcontour", "app=envoy", chance)


def _contour(scene: Scene, _rollout: subprocess.Popen[str], _chance: random.Random) -> None:
    scene.cluster.kubectl("scale", "-n", "projectcontour", "deployment/contour", "--replicas=0")
    time.sleep(GONE)
    scene.cluster.kubectl("scale", "-n", "projectcontour", "deployment/contour", "--replicas=2")


def _canary_pod(scene: Scene, _rollout: subprocess.Popen[str], chance: random.Random) -> None:
    selector = json.loads(scene.cluster.kubectl("get", "service", "tiny-canary", "-n", scene.namespace, "-o", "json"))
    chosen = selector["spec"]["selector"].get("dawsos.dev/deployment", "none")
    _kill_pod(scene, scene.namespace, f"dawsos.dev/deployment={chosen}", chance)


def _api_server(scene: Scene, _rollout: subprocess.Popen[str], _chance: random.Random) -> None:
    scene.cluster.node("stop", "apiserver")
    time.sleep(GONE)
    scene.cluster.node("start", "apiserver")


def _kubelet(scene: Scene, _rollout: subprocess.Popen[str], _chance: random.Random) -> None:
    scene.cluster.node("stop", "kubelet")
    time.sleep(3)
    scene.cluster.node("start", "kubelet")


VICTIMS: dict[str, Victim] = {
    "controller": Victim(_controller),
    "guardian": Victim(_guardian),
    "envoy": Victim(_envoy, 10.0),
    "contour": Victim(_contour),
    "canary pod": Victim(_canary_pod, 10.0),
    "api server": Victim(_api_server),
    "kubelet": Victim(_kubelet),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Release]) -> Iterator[Scene]:
    against = reason_against()
    if against and os.environ.get(WANTED):
        pytest.fail(f"no cluster: {against}")
    if against:
        pytest.skip(f"no cluster: {against}")
    with own_cluster() as cluster:
        cluster.kubectl("create", "namespace", "kills")
        # One of two may be killed, as where somebody means it.
        cluster.kubectl("scale", "-n", "projectcontour", "deployment/envoy", "--replicas=2")
        made = Scene(cluster, cluster.gateways["contour"], "kills", tmp_path_factory.mktemp("kills"))
        made.first(tiny("kill-first"))
        yield made


@pytest.mark.timeout(300 + 240 * KILLS)
def test_kills_at_random_moments(scene: Scene, tiny: Callable[..., Release]) -> None:
    seed = int(os.environ.get("DAWSOS_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"DAWSOS_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    order = [name for _ in range(1 + KILLS // len(VICTIMS)) for name in chance.sample(sorted(VICTIMS), len(VICTIMS))]
    accepted = {tiny("kill-first").commit}
    with users(scene.gateway.address, scene.host, RATE) as sent:
        for number, name in enumerate(order[:KILLS]):
            bad = chance.random() < 0.5
            release = tiny(f"kill-{seed}-{number}", **({"FAIL": 0.3} if bad else {}))
            pause = chance.uniform(0, 30)
            where = f"seed {seed}, kill {number} ({name}, {pause:.1f} s after the start, a {'bad' if bad else 'good'} release)"
            told, moments = _one(scene, (release, f"k{number}"), (VICTIMS[name], pause), chance)
            print(f"{where}: {told['outcome']}: {told['reason']}", flush=True)
            _holds(scene, sent, release, told, accepted, f"{where}: {told}")
            _lost(sent, release, VICTIMS[name], moments, where)
            if told["outcome"] == "promoted":
                assert not bad, f"{where}: a bad release was promoted"
                accepted.add(release.commit)


def _one(
    scene: Scene, what: tuple[Release, str], how: tuple[Victim, float], chance: random.Random
) -> tuple[dict[str, Any], tuple[float, float, float]]:
    """Roll out a release and kill something on the way; return how it ended and when it began, was hit and was whole again."""
    (release, run), (victim, pause) = what, how
    began = time.time()
    rollout = scene.roll_out(release, run, POLICY)
    time.sleep(pause)
    hit = time.time()
    killing = threading.Thread(target=victim.kill, args=(scene, rollout, chance))
    killing.start()
    killing.join()
    whole = time.time()
    for _ in range(4):
        rollout.wait(240)
        if rollout.returncode == 0:
            break
        # What was killed, or gave up because something was away for too long, goes on from the journal.
        if rollout.stdout is not None:
            rollout.stdout.close()
        rollout = scene.roll_out(release, run, POLICY)
    return scene.ended(rollout, 240), (began, hit, whole)


def _holds(scene: Scene, sent: Sent, release: Release, told: dict[str, Any], accepted: set[str], where: str) -> None:
    """What was rejected has no traffic, and what serves was accepted."""
    settled = time.time()
    time.sleep(2)
    assert scene.weight() == 0, where
    serving = set(sent.by(settled)) - {"broken", "error"}
    promoted = told["outcome"] == "promoted"
    assert serving <= (accepted | {release.commit} if promoted else accepted), f"{where}: {sent.by(settled)}"
    if not promoted and told["finished"]:
        # The proof said that the canary had answered everything.
        late = [answer for answer in sent.between(told["finished"] + 0.1) if answer.by == release.commit]
        assert not late, f"{where}: {len(late)} answers of the canary after the rollback was proven"


def _lost(sent: Sent, release: Release, victim: Victim, moments: tuple[float, float, float], where: str) -> None:
    """Nothing is lost but what was under way on what was killed, and what the bad release itself spoils."""
    began, hit, whole = moments
    lost = [answer for answer in sent.bad(began) if answer.by != "broken"]
    excused = [answer for answer in lost if victim.loses and hit - 1 <= answer.at <= whole + victim.loses]
    assert len(lost) == len(excused), f"{where}: lost {[answer for answer in lost if answer not in excused][:10]}"

"""Whatever is killed, and whenever: no rejected release keeps traffic, no proof is false, and only what was under way on it is lost.

Rollouts follow one another under load, good and bad releases in turn by chance, and several kills hit each of them.
``DAWSOS_TEST_KILLS`` says how many kills (30 unless told), ``DAWSOS_TEST_SEED`` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from dawsos.model.release import Release
from support.cluster import Cluster, Gateway
from support.conductor import Scene
from support.sender import Answer, Sent, users

KILLS = int(os.environ.get("DAWSOS_TEST_KILLS", "30"))
GONE = 20.0
RATE = 50.0
LEASE = 5.0
POLICY: dict[str, Any] = {
    "ladder": [{"weight": 20, "duration": "6s"}, {"weight": 60, "duration": "4s"}, {"weight": 100, "duration": "3s"}],
    "error_rate": "1%",
    "p95": "1s",
    "check_interval": "5s",
    "min_requests": 1,
    "baseline": "2s",
    "tick": "1s",
    "lease": f"{LEASE:g}s",
    # Longer than what is gone comes back.
    "no_data_deadline": "90s",
}
# Shares of failed requests of the bad releases: one is out at once, the other after some seconds.
BAD = (0.3, 0.08)
# The longest time between two kills, and how many hit one rollout.
APART, EACH = 6.0, 5
_TRIES = 6
# So long a part of the cluster may need to be back on a machine with other work.
_BACK = 90.0
# So long after Contour was away an Envoy may need to hear of it (measured: 22 s), and after the API server was: each Contour ends
# when it cannot renew its own lease, and its restarts come later and later (measured: 45 s).
_FOLLOWS = {"contour": 30.0, "api server": 75.0}
Answered = TypeVar("Answered")


@dataclass
class Life:
    """A rollout of ``release`` from its beginning to its end, however many processes conduct it."""

    scene: Scene
    release: Release
    run: str
    chance: random.Random
    began: float = field(default_factory=time.time)
    hits: list[tuple[str, float, float]] = field(default_factory=list)
    tries: int = 0

    def __post_init__(self) -> None:
        self.process = self.scene.roll_out(self.release, self.run, POLICY)

    def has_ended(self, within: float) -> bool:
        """Wait so long for the end; a conductor that gave up because something was away goes on from its journal."""
        if self.process.poll():
            self.tries += 1
            assert self.tries < _TRIES, f"the conductor gave up {self.tries} times: {self.scene.said(self.run)}"
            self.again()
        try:
            return self.process.wait(max(0.0, within)) == 0
        except subprocess.TimeoutExpired:
            return False

    def again(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = self.scene.roll_out(self.release, self.run, POLICY)

    def hit(self, name: str) -> bool:
        """Kill ``name`` and let it come back; return whether there was anything to kill."""
        before = time.time()
        if not VICTIMS[name].kill(self):
            return False
        self.hits.append((name, before, time.time()))
        print(f"{self.run}: {name} at {before - self.began:.1f} s", flush=True)
        return True

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints; a part of the cluster that was killed may need a moment."""
        return until(lambda: self.scene.cluster.kubectl(*words), _BACK)

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        return until(lambda: self.scene.cluster.items(kind, *words), _BACK)

    def end(self) -> dict[str, Any]:
        """Wait for the end and return how it was."""
        deadline = time.monotonic() + 240
        while not self.has_ended(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"no end: {self.scene.said(self.run)}"
        return self.scene.ended(self.process, 10)

    def excuses(self, answer: Answer, told: dict[str, Any]) -> bool:
        """Return whether ``answer`` was lost on something that was killed, or on the way to it."""
        for name, start, whole in self.hits:
            if VICTIMS[name].loses and start - 1 <= answer.at <= whole + VICTIMS[name].loses:
                return True
            # Envoys that nobody tells of a rollback send requests to a canary whose pods were taken away.
            stopped = name in _FOLLOWS and told["outcome"] != "promoted" and told["decided"]
            if stopped and answer.status == 503 and told["decided"] <= answer.at <= whole + _FOLLOWS[name]:
                return True
        return False


@dataclass(frozen=True)
class Victim:
    """``kill`` ends it and waits until it may come back; ``loses`` is for how long after that requests may fail which were under
    way on it or on their way to it.
    """

    kill: Callable[[Life], bool]
    loses: float = 0.0


def _controller(life: Life) -> bool:
    if life.process.poll() is not None:
        return False
    life.process.kill()
    life.process.wait()
    if life.chance.random() < 0.5:
        # Nobody comes back: the guardian takes the traffic, also one that was killed itself a moment ago.
        until(life.scene.is_withdrawn, LEASE + _BACK)
    life.again()
    return True


def _kill_pod(life: Life, namespace: str, labels: str) -> bool:
    """Kill the process of one pod, at once: who deletes a pod leaves it to the kubelet when its process ends."""
    statuses = [
        each
        for pod in life.items("pods", "-n", namespace, "-l", labels)
        for each in pod["status"].get("containerStatuses") or []
        if "running" in each["state"]
    ]
    if not statuses:
        return False
    chosen = life.chance.choice(sorted(each["containerID"].removeprefix("containerd://") for each in statuses))
    try:
        life.scene.cluster.node("in", "ctr", "-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", chosen)
    except AssertionError:
        # It ended a moment ago.
        return False
    return True


def _guardian(life: Life) -> bool:
    return _kill_pod(life, life.scene.namespace, "app.kubernetes.io/component=guardian")


def _envoy(life: Life) -> bool:
    # One of two: who kills the last one has no gateway.
    both = life.items("pods", "-n", "projectcontour", "-l", "app=envoy")
    return sum(is_ready(pod) for pod in both) >= 2 and _kill_pod(life, "projectcontour", "app=envoy")


def _canary_pod(life: Life) -> bool:
    chosen = canary_of(life)
    return bool(chosen) and _kill_pod(life, life.scene.namespace, f"dawsos.dev/deployment={chosen}")


def _contour(life: Life) -> bool:
    scale = ("scale", "-n", "projectcontour", "deployment/contour")
    life.kubectl(*scale, "--replicas=0")
    time.sleep(GONE)
    life.kubectl(*scale, "--replicas=2")
    return True


def _api_server(life: Life) -> bool:
    _stopped(life, "apiserver", GONE)
    life.kubectl("version")
    return True


def _kubelet(life: Life) -> bool:
    _stopped(life, "kubelet", 3.0)
    return True


def _stopped(life: Life, part: str, seconds: float) -> None:
    life.scene.cluster.node("stop", part)
    time.sleep(seconds)
    life.scene.cluster.node("start", part)


VICTIMS: dict[str, Victim] = {
    "controller": Victim(_controller),
    "guardian": Victim(_guardian),
    "envoy": Victim(_envoy, 15.0),
    "contour": Victim(_contour),
    "canary pod": Victim(_canary_pod, 15.0),
    "api server": Victim(_api_server),
    "kubelet": Victim(_kubelet),
}


def until(ask: Callable[[], Answered], within: float) -> Answered:
    """Return what ``ask`` gives as soon as nothing that it asserts fails."""
    deadline = time.monotonic() + within
    while True:
        try:
            return ask()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def canary_of(life: Life) -> str:
    """Return the deployment that is the canary now, empty for none."""
    (service,) = life.items("services", "-n", life.scene.namespace, "-l", "dawsos.dev/role=canary")
    chosen = str((service["spec"].get("selector") or {}).get("dawsos.dev/deployment", ""))
    return "" if chosen == "none" else chosen


@pytest.fixture(scope="module")
def scene(
    cluster: Cluster,
    gateway: Gateway,
    module_namespace: str,
    tiny: Callable[..., Release],
    tool_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    if cluster.script is None:
        pytest.skip("the cluster is somebody else's: nothing of it is stopped")
    # One of two may be killed, as where somebody means it.
    envoy = ("-n", "projectcontour", "deployment/envoy")
    cluster.kubectl("scale", *envoy, "--replicas=2")
    try:
        cluster.kubectl("rollout", "status", *envoy, "--timeout=50s")
        made = Scene(cluster, gateway, module_namespace, tmp_path_factory.mktemp("kills"), tool=tool_image)
        made.first(tiny("kill-first"))
        yield made
    finally:
        cluster.kubectl("scale", *envoy, "--replicas=1")


@pytest.fixture(scope="module")
def accepted(tiny: Callable[..., Release]) -> set[str]:
    """The commits that may serve."""
    return {tiny("kill-first").commit}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("fails", "outcome"), [(0.0, "promoted"), (0.3, "rolled_back")], ids=["rollout", "rollback"])
def test_a_rollout_outlives_an_api_server_that_is_gone(
    scene: Scene, tiny: Callable[..., Release], accepted: set[str], fails: float, outcome: str
) -> None:
    release = tiny(f"away-{outcome}", FAIL=fails)
    with users(scene.gateway.address, scene.host, RATE) as sent:
        life = Life(scene, release, outcome.replace("_", "-"), random.Random(0))
        try:
            until(scene.has_traffic, _BACK)
            # The bad one is judged, and its traffic is to be taken, while nobody takes a patch.
            assert life.hit("api server")
            told = life.end()
        finally:
            life.process.kill()
        if told["outcome"] == "promoted" == outcome:
            accepted.add(release.commit)
        assert (told["outcome"], life.tries) == (outcome, 0), f"{told}: {scene.said(life.run)}"
        _holds(scene, sent, life, told, accepted, f"{told}")


@pytest.mark.timeout(300 + 40 * KILLS)
def test_kills_at_random_moments(scene: Scene, tiny: Callable[..., Release], accepted: set[str]) -> None:
    seed = int(os.environ.get("DAWSOS_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"DAWSOS_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    rounds = 1 + KILLS // len(VICTIMS)
    waiting = [name for _ in range(rounds) for name in chance.sample(sorted(VICTIMS), len(VICTIMS))][:KILLS]
    outcomes, killed = Counter[str](), Counter[str]()
    with users(scene.gateway.address, scene.host, RATE) as sent:
        number = 0
        while waiting:
            number += 1
            fails = chance.choice(BAD) if chance.random() < 0.5 else 0.0
            release = tiny(f"kill-{seed}-{number}", FAIL=fails)
            life = Life(scene, release, f"k{number}", chance)
            try:
                _strike(life, waiting)
                told = life.end()
            finally:
                life.process.kill()
            hits = ", ".join(f"{name} at {start - life.began:.1f} s" for name, start, _ in life.hits)
            where = f"seed {seed}, rollout {number} (fails {fails:.0%}), killed: {hits or 'nothing'}"
            print(f"{where}: {told['outcome']}: {told['reason']}", flush=True)
            _holds(scene, sent, life, told, accepted, where)
            if told["outcome"] == "promoted":
                assert not fails, f"{where}: a bad release was promoted"
                accepted.add(release.commit)
            outcomes[told["outcome"]] += 1
            killed.update(name for name, _, _ in life.hits)
    print(f"{killed.total()} kills: {dict(killed)}; {dict(outcomes)}; {len(sent.answers)} requests", flush=True)
    assert killed.total() == KILLS


def _strike(life: Life, waiting: list[str]) -> None:
    """Kill at random moments until the rollout ends, or had its share."""
    while waiting and len(life.hits) < EACH and not life.has_ended(life.chance.uniform(0.0, APART)):
        struck = next((name for name in waiting if life.hit(name)), None)
        if struck is not None:
            waiting.remove(struck)


def _holds(scene: Scene, sent: Sent, life: Life, told: dict[str, Any], accepted: set[str], where: str) -> None:
    """What was rejected has no traffic, what serves was accepted, and nothing was lost but on what was killed."""
    settled, commit = time.time(), life.release.commit
    time.sleep(1)
    assert until(scene.weight, _BACK) == 0, where
    promoted = told["outcome"] == "promoted"
    good = [answer for answer in sent.between(settled) if not answer.bad]
    assert good, f"{where}: nobody answers"
    serving = {answer.by for answer in good}
    assert serving <= (accepted | {commit} if promoted else accepted), f"{where}: {sent.by(settled)}"
    if not promoted and told["finished"]:
        # The proof said that the canary had answered everything; only the canary answers `broken`.
        late = [answer for answer in sent.between(told["finished"] + 0.1) if answer.by in (commit, "broken")]
        assert not late, f"{where}: {len(late)} answers of the canary after the rollback was proven: {late[:5]}"
    lost = [answer for answer in sent.bad(life.began) if answer.by != "broken" and not life.excuses(answer, told)]
    assert not lost, f"{where}: lost {len(lost)}: {[(round(a.at - life.began, 2), a.status, a.by) for a in lost[:10]]}"

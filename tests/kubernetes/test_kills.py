"""Whatever is killed, and whenever: no rejected release keeps traffic, no proof is false, and only what was under way on it is lost.

Environments side by side on one cluster have rollouts one after another, under load, good and bad releases by chance, and several
kills hit each of them; one of the cluster's own parts hits all.  ``DAWSOS_TEST_KILLS`` says how many kills (30 unless told),
``DAWSOS_TEST_SEED`` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from dawsos.model.release import Release
from support.cluster import Cluster, Gateway
from support.conductor import Scene
from support.sender import Sent, users
from support.victims import BACK, VICTIMS, Hit, Life, Parts, until

KILLS = int(os.environ.get("DAWSOS_TEST_KILLS", "30"))
ENVIRONMENTS = 2
RATE = 50.0
POLICY: dict[str, Any] = {
    "ladder": [{"weight": 20, "duration": "6s"}, {"weight": 60, "duration": "4s"}, {"weight": 100, "duration": "3s"}],
    "error_rate": "1%",
    "p95": "1s",
    "check_interval": "5s",
    "min_requests": 1,
    "baseline": "2s",
    "tick": "1s",
    # A busy machine must not be taken for a controller that stands still.
    "lease": "10s",
    # Longer than what is gone comes back.
    "no_data_deadline": "90s",
}
# Shares of failed requests of the bad releases: one is out at once, the other after some seconds.
BAD = (0.3, 0.08)
# The longest time between two kills of one environment, and how many hit one rollout.
APART, EACH = 6.0, 5


@dataclass
class Shop:
    """One environment, and the commits that may serve there."""

    scene: Scene
    accepted: set[str] = field(default_factory=set)


@dataclass
class Kills:
    """The kills that are still to be made, in their order, and what became of the others."""

    waiting: list[str]
    parts: Parts
    lock: threading.Lock = field(default_factory=threading.Lock)
    killed: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def strike(self, life: Life) -> None:
        """Make the first of the kills that can be made now."""
        with self.lock:
            order = list(self.waiting)
        for name in order:
            with self.lock:
                if name not in self.waiting:
                    continue
                self.waiting.remove(name)
            if life.hit(name):
                with self.lock:
                    self.killed[name] += 1
                return
            with self.lock:
                self.waiting.insert(0, name)


@pytest.fixture(scope="module")
def shops(
    cluster: Cluster,
    gateway: Gateway,
    tiny: Callable[..., Release],
    tool_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Shop]]:
    """Environments in namespaces of their own, each of which serves a release."""
    if cluster.script is None:
        pytest.skip("the cluster is somebody else's: nothing of it is stopped")
    # One of two may be killed, as where somebody means it.
    envoy = ("-n", "projectcontour", "deployment/envoy")
    cluster.kubectl("scale", *envoy, "--replicas=2")
    spaces = [f"kills-{uuid.uuid4().hex[:8]}" for _ in range(ENVIRONMENTS)]
    try:
        cluster.kubectl("rollout", "status", *envoy, "--timeout=50s")
        first, made = tiny("kill-first"), []
        for space in spaces:
            cluster.kubectl("create", "namespace", space)
            scene = Scene(cluster, gateway, space, tmp_path_factory.mktemp(space), tool=tool_image)
            scene.first(first)
            made.append(Shop(scene, {first.commit}))
        yield made
    finally:
        for space in spaces:
            cluster.kubectl("delete", "namespace", space, "--wait=false", "--ignore-not-found")
        cluster.kubectl("scale", *envoy, "--replicas=1")


@pytest.mark.timeout(600)
def test_rollouts_outlive_an_api_server_that_is_gone(shops: list[Shop], tiny: Callable[..., Release]) -> None:
    parts, both = Parts(), threading.Barrier(2, timeout=2 * BACK + 60)

    def one(shop: Shop, release: Release, outcome: str) -> None:
        with users(shop.scene.gateway.address, shop.scene.host, RATE) as sent:
            life = Life(shop.scene, release, outcome.replace("_", "-"), POLICY, parts, random.Random(0))
            try:
                until(lambda: _has_traffic(life), 2 * BACK)
                both.wait()
                if outcome == "promoted":
                    # The bad one is judged, and its traffic is to be taken, while nobody takes a patch.
                    assert life.hit("api server")
                told = life.end()
            finally:
                both.abort()
                life.process.kill()
            if told["outcome"] == "promoted" == outcome:
                shop.accepted.add(release.commit)
            assert (told["outcome"], life.tries) == (outcome, 0), f"{told}: {shop.scene.said(life.run)}"
            _holds(shop, sent, life, told, f"{told}")

    with ThreadPoolExecutor() as pool:
        good, bad = tiny("away-good"), tiny("away-bad", FAIL=0.3)
        ways = [(shops[0], good, "promoted"), (shops[1], bad, "rolled_back")]
        for done in [pool.submit(one, *way) for way in ways]:
            done.result()


@pytest.mark.timeout(300 + 40 * KILLS)
def test_kills_at_random_moments(shops: list[Shop], tiny: Callable[..., Release]) -> None:
    seed = int(os.environ.get("DAWSOS_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"DAWSOS_TEST_SEED={seed}", flush=True)
    chance = random.Random(seed)
    rounds = 1 + KILLS // len(VICTIMS)
    waiting = [name for _ in range(rounds) for name in chance.sample(sorted(VICTIMS), len(VICTIMS))][:KILLS]
    kills = Kills(waiting, Parts())
    with ThreadPoolExecutor() as pool:
        lines = [
            pool.submit(_rollouts, shop, kills, tiny, f"{seed}-{number}", random.Random(f"{seed}-{number}"))
            for number, shop in enumerate(shops)
        ]
        try:
            for line in lines:
                line.result()
        finally:
            # The other one is not to go on for minutes when one has failed.
            kills.waiting.clear()
    told = f"{dict(kills.killed)}; {dict(kills.outcomes)}; {kills.requests} requests"
    print(f"{kills.killed.total()} kills: {told}", flush=True)
    assert kills.killed.total() == KILLS


def _rollouts(shop: Shop, kills: Kills, tiny: Callable[..., Release], name: str, chance: random.Random) -> None:
    """Roll one release out after another until nothing more is to be killed."""
    with users(shop.scene.gateway.address, shop.scene.host, RATE) as sent:
        number = 0
        while kills.waiting:
            number += 1
            until(lambda: _is_quiet(sent), BACK)
            fails = chance.choice(BAD) if chance.random() < 0.5 else 0.0
            with kills.lock:
                release = tiny(f"kill-{name}-{number}", FAIL=fails)
            life = Life(shop.scene, release, f"k{name}-{number}", POLICY, kills.parts, chance)
            try:
                while kills.waiting and life.struck < EACH and not life.has_ended(chance.uniform(0.0, APART)):
                    kills.strike(life)
                told = life.end()
            finally:
                life.process.kill()
            hits = ", ".join(_told(hit, life.began) for hit in life.suffered)
            where = f"rollout {life.run} (fails {fails:.0%}), killed: {hits or 'nothing'}"
            print(f"{where}: {told['outcome']}: {told['reason']}", flush=True)
            if told["outcome"] == "promoted":
                assert not fails, f"{where}: a bad release was promoted"
                shop.accepted.add(release.commit)
            _holds(shop, sent, life, told, where)
            with kills.lock:
                kills.outcomes[told["outcome"]] += 1
        with kills.lock:
            kills.requests += len(sent.answers)


def _has_traffic(life: Life) -> None:
    if life.process.poll() is not None:
        pytest.fail(f"the conductor gave up: {life.scene.said(life.run)}")
    life.scene.has_traffic()


def _told(hit: Hit, since: float) -> str:
    return f"{hit.name} at {hit.began - since:.1f} s"


def _is_quiet(sent: Sent) -> None:
    """Fails while the gateway still gets over what was killed."""
    lately = sent.between(time.time() - 3)
    assert not any(answer.bad for answer in lately), "requests fail, and no rollout goes on"


def _holds(shop: Shop, sent: Sent, life: Life, told: dict[str, Any], where: str) -> None:
    """What was rejected has no traffic, what serves was accepted, and nothing was lost but on what was killed."""
    settled, commit = time.time(), life.release.commit
    time.sleep(1)
    assert until(shop.scene.weight, BACK) == 0, where
    good = until(lambda: _good(sent, settled), BACK)
    serving = {answer.by for answer in good}
    assert serving <= shop.accepted, f"{where}: {sent.by(settled)}"
    if told["outcome"] != "promoted" and told["finished"]:
        # The proof said that the canary had answered everything; only the canary answers `broken`.
        late = [answer for answer in sent.between(told["finished"] + 0.1) if answer.by in (commit, "broken")]
        assert not late, f"{where}: {len(late)} answers of the canary after the rollback was proven: {late[:5]}"
    lost = [answer for answer in sent.bad(life.began) if answer.by != "broken" and not life.excuses(answer, told)]
    assert not lost, f"{where}: lost {len(lost)}: {[(round(a.at - life.began, 2), a.status, a.by) for a in lost[:10]]}"


def _good(sent: Sent, since: float) -> list[Any]:
    found = [answer for answer in sent.between(since) if not answer.bad]
    assert found, "nobody answers"
    return found

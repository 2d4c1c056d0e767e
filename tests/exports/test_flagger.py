"""A real Flagger takes releases to their users, or back, with the manifests that ``dawsos export flagger`` makes of DawsOS.

It needs a cluster (docs/testing.md).  Providers traefik and gatewayapi:v1 run; istio and nginx are only checked by schema, by
``dawsos lint`` and by Prometheus, see ``exporters/test_flagger.py`` and ``test_flagger_queries.py``.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from dawsos.analysis.simulation.contest import SimulationResult, contest
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.exporters.flagger import render
from dawsos.importers.flagger import Manifest
from dawsos.model.exports import FlaggerAlert, FlaggerOptions, FlaggerProvider, GatewayName
from dawsos.model.pipeline import Pipeline, Profile
from dawsos.runs.project import load as load_project
from dawsos.verbs.policies import manifests
from support.cluster import Cluster, Status, Watch, cluster, watching
from support.sender import users

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
# Flagger's shortest, so that a rollout takes a minute and not six.
INTERVAL = float(os.environ.get("DAWSOS_TEST_FLAGGER_INTERVAL", "10"))
RATE = 20.0
# With so many requests a second, lint has nothing to say about the traffic.
PRODUCTION_RATE = 200.0
# A Canary that is new, and one that goes its way, take at most so long.
WITHIN = 60.0 + 18 * INTERVAL
PORT = 8000


@dataclass(frozen=True)
class Release:
    """What the second release does, what becomes of it, and what Flagger says (a pattern).  ``scenario`` is the simulator's word
    for it, empty where it has none."""

    env: dict[str, str]
    ends: str
    scenario: str
    told: str = ""


RELEASES = {
    "healthy": Release({}, "Succeeded", "aa"),
    "errors": Release({"FAIL": "0.5"}, "Failed", "errors=50%", "success.rate"),
    "slow": Release({"SLOW": "2"}, "Failed", "slow=50%", "request-duration-p95"),
    # From its first page on: there never is an increase that could be seen.
    "pack": Release({"PACK_FAILURES": "1"}, "Failed", "failure", r"pricing-pack-build-failures 1\.00 > 0"),
    "unread": Release({"MUTE": "1"}, "Failed", "down", "no values found for custom metric: canary-requests"),
}
if INTERVAL >= 60:
    # Three starts within five minutes take longer than a rollout at Flagger's shortest interval.
    RELEASES["crash"] = Release({"CRASH_AFTER": "20"}, "Failed", "", "canary-(restarts|scraped)|not ready")


@dataclass(frozen=True)
class Rollout:
    """What a real Flagger did: every status of the run since its release was there, and what it said."""

    name: str
    statuses: tuple[Status, ...]
    events: tuple[str, ...]
    alerts: str
    manifest: Manifest

    @property
    def first_step(self) -> float:
        return next(status.at for status in self.statuses if status.weight)

    def first(self, phase: str) -> float:
        """Return the seconds from the first step to ``phase``."""
        return next(status.at for status in self.statuses if status.phase == phase) - self.first_step

    @property
    def weights(self) -> list[int]:
        seen = [status.weight for status in self.statuses if status.phase == "Progressing" and status.weight]
        return [weight for place, weight in enumerate(seen) if weight not in seen[:place]]


@pytest.fixture(scope="module")
def real() -> Cluster:
    return cluster()


@pytest.fixture(scope="module")
def watch(real: Cluster) -> Iterator[Watch]:
    with watching(real) as found:
        yield found


@pytest.fixture(scope="module", params=["traefik", "gatewayapi:v1"])
def rollouts(
    request: pytest.FixtureRequest, real: Cluster, watch: Watch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Rollout]]:
    """All releases at once, each with a Canary and a namespace of its own."""
    provider: FlaggerProvider = request.param
    if provider not in real.gateways:
        pytest.skip(f"the cluster has no gateway for {provider}")
    folder = tmp_path_factory.mktemp("flagger")
    run = uuid.uuid4().hex[:6]
    namespaces = {name: f"dawsos-{run}-{name}" for name in RELEASES}
    try:
        with ThreadPoolExecutor(len(RELEASES)) as pool, ExitStack() as loads:
            futures = {}
            for name, namespace in namespaces.items():
                loads.enter_context(users(real.gateways[provider].address, f"{namespace}.test", RATE, senders=4))
                futures[name] = pool.submit(_rolled_out, real, watch, provider, name, namespace, folder)
            yield {name: future.result() for name, future in futures.items()}
    finally:
        real.kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", *namespaces.values())


def _rolled_out(
    real: Cluster, watch: Watch, provider: FlaggerProvider, name: str, namespace: str, folder: Path
) -> Rollout:
    path = folder / f"{namespace}.yaml"
    path.write_text(_manifest(real, provider, namespace))
    (manifest,) = manifests(path, PRODUCTION_RATE)[1]
    assert [finding for finding in manifest.findings if finding.level != "note"] == []
    real.kubectl("create", "namespace", namespace)
    real.apply(*_deployment(real, namespace, "shop"), *_deployment(real, namespace, "told"))
    # Flagger may run outside of the cluster, where the names of Services mean nothing.
    address = real.kubectl("get", "service", "-n", namespace, "told", "-o", "jsonpath={.spec.clusterIP}")
    real.kubectl("create", "secret", "generic", "-n", namespace, "slack", f"--from-literal=address=http://{address}/")
    real.kubectl("apply", "-n", namespace, "-f", str(path))
    watch.until(namespace, ["Initialized"], 0.0, WITHIN)
    since = time.monotonic()
    release = RELEASES[name]
    changes = [f"{key}={value}" for key, value in {"RELEASE": "2", **release.env}.items()]
    real.kubectl("set", "env", "-n", namespace, "deployment/shop", *changes)
    watch.until(namespace, ["Succeeded", "Failed"], since, WITHIN)
    statuses = tuple(status for status in watch.seen[namespace] if status.at > since)
    told = real.kubectl("logs", "-n", namespace, "deployment/told")
    return Rollout(name, statuses, tuple(real.events(namespace)), told, manifest)


def _pipeline() -> Pipeline:
    """The pipeline of DawsOS with a profile for a cluster of which a test has only minutes, and little load."""
    pipeline = load_project(ROOT)
    quick = Profile(check_interval=INTERVAL, min_requests=1, no_data_deadline=60.0)
    return pipeline.model_copy(update={"profiles": {**pipeline.profiles, "quick": quick}})


def _manifest(real: Cluster, provider: FlaggerProvider, namespace: str) -> str:
    gateway = real.gateways[provider]
    options = FlaggerOptions(
        providers=(provider,),
        profile="quick",
        deployment="shop",
        namespace=namespace,
        port=80,
        target_port=PORT,
        hosts=(f"{namespace}.test",),
        gateway=GatewayName(name=gateway.name, namespace=gateway.namespace) if gateway.name else None,
        prometheus=real.prometheus,
        alert=FlaggerAlert(type="slack", secret="slack", channel="deployments"),
    )
    (text,) = render(_pipeline(), options).values()
    return text


def _deployment(real: Cluster, namespace: str, name: str) -> list[dict[str, object]]:
    script = (ROOT / "tests/support/canary_service.py").read_text()
    container = {
        "name": name,
        "image": real.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/service/canary_service.py", str(PORT)],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/health/ready", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "volumeMounts": [{"name": "service", "mountPath": "/service"}],
    }
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT)}
    spec = {"containers": [container], "volumes": [{"name": "service", "configMap": {"name": name}}]}
    template = {"metadata": {"labels": {"app": name}, "annotations": scraped}, "spec": spec}
    metadata = {"name": name, "namespace": namespace}
    objects: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"canary_service.py": script}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
        },
    ]
    # The Service of a Canary's Deployment is Flagger's.
    if name != "shop":
        ports = [{"port": 80, "targetPort": PORT}]
        objects.append({"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": name}, "ports": ports}})
    return [{**one, "metadata": metadata} for one in objects]


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_ends_as_it_should_for_the_reason_that_it_has(rollouts: dict[str, Rollout], name: str) -> None:
    rollout, release = rollouts[name], RELEASES[name]
    assert rollout.statuses[-1].phase == release.ends
    assert re.search(release.told, "\n".join(rollout.events))


def test_a_healthy_release_takes_the_steps_of_the_pipeline(rollouts: dict[str, Rollout]) -> None:
    assert rollouts["healthy"].weights == [5, 25, 45, 65, 85, 100]


@pytest.mark.parametrize("name", [name for name, release in RELEASES.items() if release.ends == "Failed"])
def test_a_bad_release_gets_no_more_than_the_first_step(rollouts: dict[str, Rollout], name: str) -> None:
    assert rollouts[name].weights == [5]


def test_a_rollback_is_told_where_alerts_go_and_a_promotion_is_not(rollouts: dict[str, Rollout]) -> None:
    assert "Failed checks threshold reached 5" in rollouts["errors"].alerts
    assert '"channel":"deployments"' in rollouts["errors"].alerts
    assert rollouts["healthy"].alerts == ""


@pytest.mark.parametrize("name", [name for name, release in RELEASES.items() if release.scenario])
def test_the_simulator_predicted_it_within_one_interval(rollouts: dict[str, Rollout], name: str) -> None:
    rollout, release = rollouts[name], RELEASES[name]
    predicted = _predicted(rollout.manifest, release.scenario)
    # Flagger copies the release to its primary when the last check has passed: users have had it from then on.
    phase, share, expected = (
        ("Promoting", predicted.promoted, predicted.to_promote)
        if release.ends == "Succeeded"
        else ("Failed", predicted.rolled_back, predicted.median)
    )
    print(f"{name}: {phase} {rollout.first(phase):.1f} s after the first step, predicted {expected} s")
    assert share == 1.0
    assert rollout.first(phase) == pytest.approx(expected, abs=INTERVAL)


def _predicted(manifest: Manifest, scenario: str) -> SimulationResult:
    (result,) = contest(
        World(rate=RATE, errors=0.0), parse_scenario(scenario), [("flagger", manifest.policy())], 100, 7
    )
    return result


def test_the_manifest_that_runs_is_read_back_as_the_policy(rollouts: dict[str, Rollout]) -> None:
    policy, exported = rollouts["healthy"].manifest.policy(), _pipeline().policy("quick")
    for name in ("check_interval", "failed_checks", "error_rate", "p95"):
        assert getattr(policy, name) == getattr(exported, name), name
    assert [step.weight for step in policy.ladder] == [step.weight for step in exported.ladder]

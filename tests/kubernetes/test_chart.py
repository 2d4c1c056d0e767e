"""The chart on a real cluster, by Helm 3 and, where ``DAWSOS_TEST_HELM4`` names its program, by Helm 4."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dawsos.model.release import BuiltImage, Release
from support.cluster import Cluster, Gateway
from support.sender import users
from support.service_images import OTHER, ServiceImages, service_images

pytestmark = pytest.mark.kubernetes
CHART = Path(__file__).resolve().parents[2] / "charts" / "dawsos"
HELM4 = "DAWSOS_TEST_HELM4"
TO_CANARY = [
    {"op": "test", "path": "/spec/rules/0/backendRefs/0/name", "value": "dawsos-stable"},
    {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 95},
    {"op": "add", "path": "/spec/rules/0/backendRefs/1", "value": {"name": "dawsos-canary", "port": 80, "weight": 5}},
]  # fmt: skip
SMALL: dict[str, Any] = {
    "backend": {
        "health": "/health",
        "ready": "/ready",
        "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}},
    },
    "ledger": {"kind": "none"},
    "drainSeconds": 3,
    "graceSeconds": 4,
    **{part: {"enabled": False} for part in ("worker", "migrations", "seed", "nightly")},
}


@dataclass(frozen=True)
class Helm:
    """One version of helm, for one namespace of a cluster."""

    program: str
    cluster: Cluster
    namespace: str

    def __call__(self, *words: str, wrong: str = "") -> str:
        """Return what it prints; fails when it fails, or, with ``wrong``, when it does not fail saying that."""
        context = [f"--kube-context={self.cluster.context}"] if self.cluster.context else []
        argv = [
            self.program,
            f"--kubeconfig={self.cluster.kubeconfig}",
            *context,
            f"--namespace={self.namespace}",
            *words,
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert (done.returncode != 0) is bool(wrong), (
            f"helm {' '.join(words[:2])}: {done.stdout[-400:]}{done.stderr[-800:]}"
        )
        assert wrong in done.stderr
        return done.stdout

    @property
    def four(self) -> bool:
        return self("version", "--template", "{{.Version}}").startswith("v4")


@pytest.fixture(params=["helm", HELM4])
def helm(request: pytest.FixtureRequest, cluster: Cluster, restricted: str) -> Helm:
    program = os.environ.get(HELM4) if request.param == HELM4 else shutil.which("helm")
    if not program:
        pytest.skip("helm is not installed" if request.param == "helm" else f"{HELM4} names no Helm 4")
    return Helm(program, cluster, restricted)


@pytest.fixture
def restricted(cluster: Cluster, namespace: str) -> str:
    """A namespace that admits restricted pods only."""
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@pytest.fixture
def host(restricted: str) -> str:
    return f"{restricted}.test"


@pytest.fixture
def route(gateway: Gateway, host: str) -> dict[str, Any]:
    return {"gateway": {"name": gateway.name, "namespace": gateway.namespace}, "hostnames": [host]}


def written(folder: Path, values: dict[str, Any]) -> str:
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    return f"--values={file}"


def secret(cluster: Cluster, namespace: str, name: str, **values: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": values,
    }
    cluster.apply(document)


def until(what: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.2)


def answers(gateway: Gateway, host: str, path: str = "/") -> str:
    where = urlsplit(gateway.address)
    connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().read().decode()
    except OSError as error:
        return repr(error)
    finally:
        connection.close()


def test_every_object_is_one_that_the_api_server_takes(
    helm: Helm, cluster: Cluster, route: dict[str, Any], tmp_path: Path
) -> None:
    pair = {
        "embedded": {"postgres": True, "redis": True},
        "standIns": {"outside": True},
        "autoscaling": {"enabled": True},
    }
    one: dict[str, Any] = {"images": {"backend": f"x@sha256:{'1' * 64}"}, "release": "d", "commit": "c"}
    two = {"stable": "a1", "canary": "b2", "deployments": {"a1": one, "b2": one | {"workers": False}}}
    for values in ({"image": {"tag": "x"}} | pair, two, {"image": {"tag": "x"}, **SMALL}):
        made = helm("template", "dawsos-staging", str(CHART), written(tmp_path, values | {"route": route}))
        cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-n", helm.namespace, "-f", "-", text=made)


def test_a_missing_secret_is_said_at_once(helm: Helm, tmp_path: Path) -> None:
    values = written(tmp_path, {"image": {"tag": "x"}, **SMALL})
    helm("install", "tiny", str(CHART), values, wrong="has no Secret tiny-env")
    secret(helm.cluster, helm.namespace, "tiny-env", A="b")
    helm("install", "tiny", str(CHART), values, "--set", "embedded.redis=true", wrong="has no key REDIS_PASSWORD")
    helm("install", "tiny", str(CHART), values, "--set", "replicas=0", wrong="/replicas")


def test_no_request_is_lost_by_an_upgrade_and_a_rollback(
    helm: Helm, gateway: Gateway, tiny: Callable[..., Release], delivered: Callable[[BuiltImage], str],
    route: dict[str, Any], host: str, tmp_path: Path,
) -> None:  # fmt: skip
    releases = tiny("chart-one"), tiny("chart-two")
    secret(helm.cluster, helm.namespace, "tiny-env", A="b")

    def install(release: Release) -> None:
        repository, _, digest = delivered(release.images[0]).partition("@")
        values = SMALL | {"image": {"repository": repository, "digest": digest}, "route": route}
        helm("upgrade", "--install", "tiny", str(CHART), written(tmp_path, values), "--wait", "--timeout=2m")

    install(releases[0])
    until(lambda: answers(gateway, host) == releases[0].commit)
    with users(gateway.address, host, 80, 4, "/", renew=True) as under_load:
        install(releases[1])
        until(lambda: answers(gateway, host) == releases[1].commit)
        helm("rollback", "tiny", "--wait", "--timeout=2m")
        until(lambda: answers(gateway, host) == releases[0].commit)
        # The last pods drain.
        time.sleep(SMALL["drainSeconds"] + SMALL["graceSeconds"])
    print(under_load.by())
    assert under_load.bad() == []
    assert set(under_load.by()) == {release.commit for release in releases}
    assert len(under_load.answers) > 500


def test_an_upgrade_by_hand_ends_what_a_rollout_left_in_the_route(
    helm: Helm, cluster: Cluster, route: dict[str, Any], tmp_path: Path
) -> None:
    """Weights are no part of the chart; who upgrades or rolls back by helm gets all traffic to stable, or is told why not."""
    secret(cluster, helm.namespace, "tiny-env", A="b")
    values = written(tmp_path, {"image": {"tag": "x"}, "route": route, **SMALL})
    backends = (
        "get",
        "httproute",
        "dawsos",
        "-n",
        helm.namespace,
        "-o",
        "jsonpath={.spec.rules[0].backendRefs[*].name}",
    )
    helm("install", "tiny", str(CHART), values)
    for command in (["upgrade", "tiny", str(CHART), values], ["rollback", "tiny", "1"]):
        patch = (
            "patch",
            "httproute",
            "dawsos",
            "-n",
            helm.namespace,
            "--type=json",
            "--field-manager=dawsos",
            "--patch",
        )
        cluster.kubectl(*patch, json.dumps(TO_CANARY))
        assert cluster.kubectl(*backends) == "dawsos-stable dawsos-canary"
        if helm.four:
            helm(*command, wrong='conflict with "dawsos"')
            command.append("--force-conflicts")
        helm(*command)
        assert cluster.kubectl(*backends) == "dawsos-stable"


def test_what_the_autoscaler_chose_stays(helm: Helm, cluster: Cluster, tmp_path: Path) -> None:
    secret(cluster, helm.namespace, "tiny-env", A="b")
    values = written(tmp_path, {"image": {"tag": "x"}, "autoscaling": {"enabled": True}, **SMALL})
    helm("install", "tiny", str(CHART), values)
    cluster.kubectl("scale", "deployment/dawsos-backend", "--replicas=5", "-n", helm.namespace)
    helm("upgrade", "tiny", str(CHART), values, "--set", "drainSeconds=4")
    replicas = ("get", "deployment", "dawsos-backend", "-n", helm.namespace, "-o", "jsonpath={.spec.replicas}")
    assert cluster.kubectl(*replicas) == "5"


@pytest.fixture(scope="module")
def images(cluster: Cluster) -> ServiceImages:
    if not cluster.imports:
        pytest.skip("the cluster says no command that imports images")
    made = service_images()
    made.give(cluster)
    return made


@pytest.fixture
def journals(cluster: Cluster, restricted: str) -> Iterator[list[str]]:
    """Options for a folder that all pods share: a volume made for the claim on the tests' own cluster, else the default class."""
    if cluster.script is None:
        yield ["--set", "ledger.accessMode=ReadWriteOnce"]
        return
    path = f"/var/lib/{restricted}"
    cluster.node("in", "mkdir", "-p", path)
    node = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    spec = {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "local": {"path": path},
        "claimRef": {"namespace": restricted, "name": "dawsos-ledger"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }  # fmt: skip
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": restricted}, "spec": spec})
    yield []
    cluster.kubectl("delete", "persistentvolume", restricted, "--wait=false")


@pytest.mark.timeout(1800)
def test_dawsos_is_run_by_the_commands_of_the_request(
    cluster: Cluster, restricted: str, gateway: Gateway, images: ServiceImages, journals: list[str],
    route: dict[str, Any], host: str, tmp_path: Path,
) -> None:  # fmt: skip
    """With the embedded pair: migrations and seed, the version, the night in its order, an upgrade, two ways back, under load."""
    program = shutil.which("helm")
    if program is None:
        pytest.skip("helm is not installed")
    helm, kubectl = Helm(program, cluster, restricted), cluster.kubectl
    passwords = {
        name: secrets.token_hex(24)
        for name in (
            "JWT_SECRET",
            "POSTGRES_PASSWORD",
            "POSTGRES_OWNER_PASSWORD",
            "POSTGRES_APP_PASSWORD",
            "REDIS_PASSWORD",
        )
    }
    secret(
        cluster, restricted, "dawsos-staging-env", REDIS_CONF=f"requirepass {passwords['REDIS_PASSWORD']}", **passwords
    )
    pair = {
        "embedded": {"postgres": True, "redis": True},
        **{
            name: {"image": {"repository": f"dawsos-{name}", "tag": "latest"}, "user": 65532}
            for name in ("postgres", "redis")
        },
        "standIns": {"outside": True},
        "route": route,
        "worker": {"image": {"tag": images.tag}},
    }

    def upgrade(tag: str) -> None:
        helm(
            "upgrade", "--install", "dawsos-staging", str(CHART), written(tmp_path, pair), *journals, "--set", f"image.tag={tag}",
            "--set", "environment=staging", "--set", "replicas=2", "--wait", "--timeout=3m",
        )  # fmt: skip

    def serves(version: str) -> None:
        # The gateway may hear of the new pods, and of the last old one's end, a moment after helm.
        until(lambda: f'"healthy","version":"{version}"' in answers(gateway, host, "/health"), within=60)

    upgrade(images.tag)
    # Ready means that the schema is there; nothing has crashed on the way.
    pods = json.loads(
        kubectl("get", "pods", "-n", restricted, "-l", "app in (dawsos-backend, dawsos-worker)", "-o", "json")
    )["items"]
    states = [status for pod in pods for status in pod["status"]["containerStatuses"]]
    assert [(status["ready"], status["restartCount"]) for status in states] == [(True, 0)] * 3
    serves(images.tag)

    kubectl("create", "job", "--from=cronjob/dawsos-nightly", "by-hand", "-n", restricted)
    done = cluster.argv("wait", "--for=condition=complete", "job/by-hand", "--timeout=120s", "-n", restricted)
    assert subprocess.run(done, check=False, timeout=150).returncode == 0, kubectl(
        "logs", "job/by-hand", "-n", restricted
    )
    night = [line.split(":")[0] for line in kubectl("logs", "job/by-hand", "-n", restricted).splitlines()]
    order = json.loads(
        kubectl("exec", "deployment/dawsos-backend", "-n", restricted, "--", "python3", "-P", "-m", "jobs.verify_order")
    )
    assert (order["ok"], night) == (True, order["expected"])

    with users(gateway.address, host, 40, 4, "/health", renew=True) as under_load:
        upgrade(OTHER)
        serves(OTHER)
        for job in ("migrate", "seed"):
            assert kubectl("logs", f"job/dawsos-{job}", "-n", restricted)
        helm("rollback", "dawsos-staging", "--wait", "--timeout=3m")
        serves(images.tag)
        kubectl("set", "image", "deployment/dawsos-backend", f"backend=dawsos-backend:{OTHER}", "-n", restricted)
        status = cluster.argv("rollout", "status", "deployment/dawsos-backend", "-n", restricted, "--timeout=120s")
        assert subprocess.run(status, check=False, timeout=150).returncode == 0
        serves(OTHER)
    print(under_load.by())
    assert under_load.bad() == []
    assert len(under_load.by()) == 2

    said = [helm("history", "dawsos-staging"), helm("get", "all", "dawsos-staging")]
    said.append(kubectl("get", "secrets", "-n", restricted, "-l", "owner=helm", "-o", "yaml"))
    assert "Rollback to 1" in said[0]
    assert not [name for name, value in passwords.items() if any(value in text for text in said)]

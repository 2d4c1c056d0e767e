"""What the other tests here rest on: a node, a gateway whose listeners are apart, images without a registry, the chart."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.model.release import BuiltImage, Release
from support.cluster import Cluster, Gateway
from support.cluster_charts import values

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.short
def test_a_release_is_installed_by_helm_answers_at_its_own_address_and_is_rolled_back(
    cluster: Cluster,
    namespace: str,
    gateway: Gateway,
    tiny: Callable[..., Release],
    delivered: Callable[[BuiltImage], str],
    tmp_path: Path,
) -> None:
    cluster.kubectl("create", "secret", "generic", "tiny-env", "-n", namespace)
    first, second = tiny("one"), tiny("two")
    for release in (first, second):
        file = values(tmp_path, delivered(release.images[0]), gateway, "staging")
        command = ["upgrade", "--install", "tiny", str(ROOT / "charts" / "dawsos"), "--wait", "--timeout=3m"]
        helm(cluster, namespace, *command, "--values", str(file))
        assert answer(gateway.listeners["staging"]) == release.commit
    assert answer(gateway.listeners["spare-1"]) != second.commit
    helm(cluster, namespace, "rollback", "tiny", "--wait", "--timeout=3m")
    assert answer(gateway.listeners["staging"], until=first.commit) == first.commit


def helm(cluster: Cluster, namespace: str, *words: str) -> None:
    argv = ["helm", f"--kubeconfig={cluster.kubeconfig}", f"--kube-context={cluster.context}", "-n", namespace, *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"helm {' '.join(words)}: {done.stderr.strip()}"


def answer(url: str, until: str = "", within: float = 10.0) -> str:
    """Return what the page says, asked again for a moment until it is ``until`` (any answer of 200 when empty)."""
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the gateway of the test
                told: str = response.read().decode()
        except (urllib.error.URLError, OSError) as error:
            told = str(error)
        if time.monotonic() > deadline or told == until or (not until and len(told) == 40):
            return told
        time.sleep(0.1)


def test_prometheus_beside_flagger_reads_each_pod_of_the_gateway_and_follows_pods_that_come_and_go(
    cluster: Cluster, namespace: str
) -> None:
    if cluster.script is None:
        pytest.skip("the cluster is somebody else's: nothing is added to it")
    if not cluster.prometheus:
        cluster.node("add", "flagger")
    (address,) = (line.partition(": ")[2] for line in cluster.node("describe").splitlines() if "prometheus:" in line)
    assert read_by(address, "projectcontour", lambda found: "1" in found.values()), "no pod of Envoy is read"
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "9"}
    container = {"name": "quiet", "image": "localhost/pause:1", "imagePullPolicy": "Never"}
    pod = {
        "metadata": {"name": "quiet", "namespace": namespace, "annotations": notes},
        "spec": {"containers": [container]},
    }
    cluster.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    assert read_by(address, namespace, lambda found: found == {"quiet": "0"}), "a new pod is not asked"
    cluster.kubectl("delete", "pod", "quiet", "-n", namespace, "--now")
    assert read_by(address, namespace, lambda found: not found), "a pod that is gone is still asked"


def read_by(prometheus: str, namespace: str, wanted: Callable[[dict[str, str]], bool]) -> bool:
    """Return whether Prometheus soon says what is wanted of the pods of a namespace: name -> "1" for one that it can read."""
    query = urllib.parse.quote(f'up{{namespace="{namespace}"}}')
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?query={query}", timeout=5) as response:  # noqa: S310
            found = json.load(response)["data"]["result"]
        if wanted({one["metric"]["pod"]: one["value"][1] for one in found}):
            return True
        time.sleep(0.5)
    return False

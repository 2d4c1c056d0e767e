"""What the other tests here rest on: a node, a gateway whose listeners are apart, images without a registry, the chart."""

from __future__ import annotations

import subprocess
import time
import urllib.error
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

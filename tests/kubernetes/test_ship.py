"""The real command line ships a small service to a real cluster with the least rights, and another clone goes on where one died."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.clone import Clone, git, until
from support.cluster import Cluster, Gateway
from support.clustered import Clustered, clustered

pytestmark = pytest.mark.timeout(600)
LEASE = 5.0


@pytest.fixture(scope="module")
def shop(
    cluster: Cluster,
    gateway: Gateway,
    module_namespace: str,
    tool_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Clustered]:
    """The shop, of which the first release serves."""
    with clustered(cluster, gateway, module_namespace, tool_image, tmp_path_factory.mktemp("clustered")) as made:
        made.dawsos("ship", "--profile", "production", check=0)
        yield made


def served(shop: Clustered) -> str:
    """Return the commit that users reach."""
    with urllib.request.urlopen(f"{shop.url}/health", timeout=5) as page:  # noqa: S310 - the gateway of the test
        return str(json.load(page)["version"])


def head(project: Clone) -> str:
    return git(project.path, "rev-parse", "HEAD").strip()


def test_its_account_may_do_nothing_else(shop: Clustered) -> None:
    assert shop.may("create", "deployments.apps", "-n", shop.namespace)
    others = (
        ("get", "secrets", "-n", "kube-system"),
        ("create", "namespaces"),
        ("patch", "gateways.gateway.networking.k8s.io", "-n", "projectcontour"),
        ("delete", "pods", "-n", "projectcontour"),
        ("patch", "pods", "-n", shop.namespace),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
    )
    for verb, resource, *where in others:
        assert not shop.may(verb, resource, *where), (verb, resource)


def test_another_clone_goes_on_with_the_rollout_of_a_machine_that_is_gone(shop: Clustered, tmp_path: Path) -> None:
    first = served(shop)
    second = shop.project.commit("the second release")
    with shop.project.running("ship", "--profile", "production", KUBECONFIG=str(shop.kubeconfig)) as ship:
        until(lambda: shop.weight() or ship.poll() is not None, 180, "the canary gets traffic")
        assert ship.poll() is None, ship.communicate()
        for process in shop.project.processes():
            process.kill()
    # Nobody is left but the guardian.
    until(lambda: shop.weight() == 0, LEASE + 60, "the guardian takes the traffic back")
    assert served(shop) == first
    clone = shop.clone(tmp_path / "clone")
    refused = shop.dawsos("resume", of=clone)
    assert refused.code == 2
    assert "is not believed here" in refused.text
    keys = shop.project.path / ".dawsos" / "keys"
    resumed = shop.dawsos("resume", of=clone, check=0, DAWSOS_TRUSTED_KEYS=str(keys))
    assert served(shop) == second, resumed.text
    run = clone.show()
    assert (run["result"], run["journal_problems"]) == ("passed", [])
    # Both versions were asked themselves, through tunnels, before any user met the new one.
    assert run["rollout"]["compared"]["verdict"] == "pass", run["rollout"]["compared"]
    # The machine that was gone comes back, and learns how it ended.
    believed = str(clone.path / ".dawsos" / "keys")
    shop.dawsos("resume", run["id"], check=0, DAWSOS_TRUSTED_KEYS=believed)
    assert shop.project.show(run["id"])["result"] == "passed"


def test_a_bad_release_goes_back_a_person_goes_back_and_nothing_is_left(shop: Clustered) -> None:
    before = served(shop)
    with shop.project.broken():
        shop.project.edit("shop/__init__.py", "FAILURES = 0", "FAILURES = 400")
        bad = shop.project.commit("four of ten requests fail")
        shop.dawsos("ship", "--profile", "production", check=4)
        assert served(shop) == before != bad
        assert shop.weight() == 0
        told = shop.project.show()
        assert (told["result"], told["journal_problems"]) == ("rolled_back", [])
        assert "rolled back" in Path(told["report"]).read_text().lower()
        shop.dawsos("verify", check=0)
    shop.project.commit("the third release")
    shop.dawsos("ship", "--profile", "production", check=0)
    assert served(shop) == head(shop.project)
    shop.dawsos("rollback", "--as", "Ada", "--reason", "wrong prices", check=0)
    assert served(shop) == before
    assert json.loads(shop.dawsos("status", "--json", check=0).out)
    shop.dawsos("down", "production", "--purge", check=0)
    until(lambda: left(shop) == [], 60, "nothing is left in the namespace")


def left(shop: Clustered) -> list[str]:
    kinds = "deployments,services,httproutes,jobs,leases,poddisruptionbudgets,secrets,configmaps,roles,rolebindings"
    found = shop.cluster.items(kinds, "-n", shop.namespace)
    # What the cluster itself makes in each namespace, and the rights that the administrator gave.
    names = {f"{each['kind']}/{each['metadata']['name']}" for each in found}
    return sorted(name for name in names if not name.endswith(("/kube-root-ca.crt", "/dawsos", "/dawsos-guardian")))

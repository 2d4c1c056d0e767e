"""``dawsos ship --in-cluster``: a Job of production's namespace conducts the canary, and the machine that shipped learns the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster, Gateway
from support.cluster_ship import ClusterShip, given_rights, key_pair, lines_with

SECRET = "dawsos-conductor"


@pytest.fixture
def shop(
    tmp_path: Path,
    cluster: Cluster,
    gateway: Gateway,
    namespace: str,
    tool_image: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[ClusterShip]:
    made = ClusterShip(
        tmp_path / "shop", cluster, gateway, namespace, "spare-1", monkeypatch, capsys,
        {"in_cluster": {"image": tool_image, "secret": SECRET}},
    )  # fmt: skip
    yield made
    cluster.kubectl("delete", "role,rolebinding", f"dawsos-{namespace}", "-n", gateway.namespace, "--ignore-not-found")


def believed(shop: ClusterShip, folder: Path) -> None:
    """Do what docs/kubernetes.md says: rights, the Job's own key in a Secret, its public half believed here."""
    given_rights(shop.cluster, shop.namespace, shop.gateway)
    private, public = key_pair(folder)
    shop.kubectl("create", "secret", "generic", SECRET, f"--from-file=DAWSOS_SIGNING_KEY={folder / 'job.pem'}")
    assert private
    keys = shop.folder / ".dawsos" / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    (keys / "job.pub").write_text(public)


def stable(shop: ClusterShip) -> str:
    """Return the commit that all users get."""
    services = json.loads(shop.kubectl("get", "services", "-l", "dawsos.dev/role=stable", "-o", "json"))["items"]
    chosen = services[0]["spec"]["selector"]["dawsos.dev/deployment"]
    found = json.loads(shop.kubectl("get", "deployments", "-l", f"dawsos.dev/deployment={chosen}", "-o", "json"))
    return str(found["items"][0]["metadata"]["annotations"]["dawsos.dev/commit"])


@pytest.mark.timeout(1500)
def test_a_job_conducts_a_good_and_a_bad_release_and_this_machine_learns_it(shop: ClusterShip, tmp_path: Path) -> None:
    # Nothing is there: everything is said before the first gate.
    refused = shop.dawsos("ship", "--in-cluster")
    assert refused.code == 2
    assert "there is no ServiceAccount" in refused.err
    given_rights(shop.cluster, shop.namespace, shop.gateway)
    refused = shop.dawsos("ship", "--in-cluster")
    assert refused.code == 2, refused.out
    assert SECRET in refused.err
    believed(shop, tmp_path)

    first = shop.dawsos("ship", "--in-cluster", "--wait")
    assert first.code == 0, first.out + first.err
    good = stable(shop)
    shop.commit("second")
    handed = shop.dawsos("ship", "--in-cluster")
    assert handed.code == 75, handed.out + handed.err
    assert lines_with(handed, ["follow", "logs -f job/"])
    run = handed.out.partition("dawsos resume ")[2].split()[0]
    busy = shop.dawsos("resume", run)
    assert busy.code == 3, busy.out
    assert "conducts the rollout" in busy.err
    shop.kubectl("wait", "--for=condition=Complete", "--timeout=50s", "job", "-l", f"dawsos.dev/run={run}")
    taken = shop.dawsos("resume", run)
    assert taken.code == 0, taken.out + taken.err
    assert stable(shop) != good
    shown = shop.dawsos("show", run, "--json").json
    assert shown["journal_problems"] == []
    assert shop.dawsos("evidence", run, "--verify").code == 0
    assert shop.dawsos("verify").code == 0

    good = stable(shop)
    shop.commit("bad", FAIL=0.5)
    bad = shop.dawsos("ship", "--in-cluster", "--wait")
    assert bad.code == 4, bad.out + bad.err
    assert stable(shop) == good
    shown = shop.dawsos("show", "last", "--json").json
    assert (shown["result"], shown["journal_problems"]) == ("rolled_back", [])
    assert shop.dawsos("verify").code == 0

"""An environment is scaled to zero and comes back as it was; a purge leaves nothing that the tool made."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dawsos.adapters.kubernetes import Object
from dawsos.adapters.redactor import Masker
from dawsos.platforms.kubernetes.deployments import Bed
from dawsos.platforms.kubernetes.ending import park, parked_of, purge, wake
from dawsos.platforms.kubernetes.names import COMPONENT, INSTANCE, JOB, MANAGED_BY, Paths
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE
from support.workloads import NOW, TARGET, PaperCluster, serving

PATHS = Paths(NAMESPACE)


class Uninstalls:
    """Takes the objects of the chart away."""

    def __init__(self, cluster: PaperCluster) -> None:
        self.cluster = cluster

    async def uninstall(self) -> bool:
        kinds = ("/deployments/", "/pods/", "/services/", "/httproutes/")
        gone = [path for path in self.cluster.objects if any(kind in path for kind in kinds)]
        for path in gone:
            self.cluster.drop(path)
        return bool(gone)


def _bed() -> tuple[Bed, PaperCluster]:
    clock = VirtualClock(NOW)
    cluster = PaperCluster(clock, serving())
    return Bed(cluster, TARGET, Uninstalls(cluster), clock, Masker(), {}, Path()), cluster  # type: ignore[arg-type]


def _made(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": {INSTANCE: TARGET.release, **labels}}, "spec": {}}


def test_what_is_parked_comes_back_with_as_many_pods() -> None:
    async def scene() -> None:
        bed, cluster = _bed()
        cluster.put(PATHS.of("cronjobs", "nightly"), _made("nightly"))
        await park(bed)
        (parked,) = parked_of((await bed.seen()).deployments)
        assert (parked["spec"]["replicas"], (await bed.seen()).pods) == (0, [])
        assert (await cluster.get(PATHS.of("cronjobs", "nightly")))["spec"]["suspend"] is True
        await park(bed)
        await wake(bed, parked_of((await bed.seen()).deployments))
        (woken,) = (await bed.seen()).deployments
        assert (woken["spec"]["replicas"], parked_of([woken])) == (2, [])
        assert (await cluster.get(PATHS.of("cronjobs", "nightly")))["spec"]["suspend"] is False

    asyncio.run(scene())


def test_what_somebody_scaled_meanwhile_is_left_as_it_is() -> None:
    async def scene() -> None:
        bed, cluster = _bed()
        await park(bed)
        await cluster.patch(PATHS.of("deployments", "shop-backend-a"), {"spec": {"replicas": 5}})
        assert parked_of((await bed.seen()).deployments) == []

    asyncio.run(scene())


def test_a_purge_leaves_nothing_of_the_tool_and_what_others_made() -> None:
    async def scene() -> None:
        bed, cluster = _bed()
        ours = {MANAGED_BY: "dawsos"}
        cluster.put(PATHS.of("secrets", "shop-env"), _made("shop-env", **ours))
        cluster.put(PATHS.of("secrets", "mine"), _made("mine"))
        cluster.put(PATHS.of("leases", "shop-rollout"), _made("shop-rollout", **ours))
        cluster.put(PATHS.of("jobs", "command"), _made("command", **{COMPONENT: JOB}))
        cluster.put(PATHS.of("persistentvolumeclaims", "ledger"), _made("ledger"))
        await purge(bed)
        await purge(bed)
        assert list(cluster.objects) == [PATHS.of("secrets", "mine")]

    asyncio.run(scene())

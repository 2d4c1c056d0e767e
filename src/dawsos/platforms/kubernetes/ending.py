"""The end of an environment on a cluster, and its beginning after that."""

from __future__ import annotations

from dawsos.adapters.kubernetes import Object, Objects
from dawsos.platforms.kubernetes.deployments import Bed, wait_until_gone
from dawsos.platforms.kubernetes.names import (
    COMPONENT,
    DEPLOYMENT,
    INSTANCE,
    JOB,
    MANAGED_BY,
    REPLICAS,
    Paths,
)
from dawsos.platforms.kubernetes.state import annotation, label, named, replicas


async def park(bed: Bed) -> None:
    """Scale every deployment of a release to zero and stop the nightly jobs; roles, data and the embedded services stay.

    How many there were is noted on each, for ``wake``.  The chart's own PostgreSQL keeps its data in its pod unless it was given a
    volume, so it stays up.
    """
    await _nights(bed, suspend=True)
    for one in (await bed.seen()).deployments:
        if label(one, DEPLOYMENT) and replicas(one):
            noted = {"metadata": {"annotations": {REPLICAS: str(replicas(one))}}, "spec": {"replicas": 0}}
            await bed.cluster.patch(bed.paths.of("deployments", named(one)), noted)
    for one in (await bed.seen()).deployments:
        if label(one, DEPLOYMENT):
            await wait_until_gone(
                bed, {**bed.labels, DEPLOYMENT: label(one, DEPLOYMENT), COMPONENT: label(one, COMPONENT)}
            )


async def wake(bed: Bed, parked: Objects) -> None:
    """Scale what ``park`` has scaled to zero to what it had."""
    for one in parked:
        body = {"metadata": {"annotations": {REPLICAS: None}}, "spec": {"replicas": int(annotation(one, REPLICAS))}}
        await bed.cluster.patch(bed.paths.of("deployments", named(one)), body)
    if parked:
        await _nights(bed, suspend=False)


def parked_of(deployments: Objects) -> Objects:
    """Return the Deployments that ``park`` has scaled to zero and that nobody has scaled since."""
    return [one for one in deployments if annotation(one, REPLICAS).isdigit() and not replicas(one)]


async def _nights(bed: Bed, *, suspend: bool) -> None:
    for one in await bed.cluster.list(bed.paths.of("cronjobs"), bed.labels):
        await bed.cluster.patch(bed.paths.of("cronjobs", named(one)), {"spec": {"suspend": suspend}})


async def purge(bed: Bed) -> None:
    """Take the release away with everything that the tool has made for it: Secret, Lease, Jobs and claims with their data."""
    await bed.helm.uninstall()
    paths = Paths(bed.target.namespace)
    for one in await bed.cluster.list(paths.of("jobs"), {INSTANCE: bed.target.release, COMPONENT: JOB}):
        await bed.cluster.delete(paths.of("jobs", named(one)))
    for kind in ("persistentvolumeclaims", "leases", "configmaps", "secrets"):
        for one in await bed.cluster.list(paths.of(kind), bed.labels):
            if kind in ("persistentvolumeclaims", "leases") or made_by_us(one):
                await bed.cluster.delete(paths.of(kind, named(one)))
    await wait_until_gone(bed, bed.labels)


def made_by_us(found: Object) -> bool:
    """Return whether the tool itself made an object, and not the chart or the user."""
    return label(found, MANAGED_BY) == "dawsos"

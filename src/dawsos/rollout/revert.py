"""Brings an environment back to an earlier release: all traffic moves at once, measured as in the rollback of a canary.

The serving release takes the role of the canary at 100 %, so that the same code moves the traffic and waits until the release is
drained.  If this process dies, the platform gives the traffic to the earlier release when the lease ends.
"""

from __future__ import annotations

from dawsos.errors import InfrastructureError
from dawsos.model.events import Deployed, RevertFinished, RevertStarted
from dawsos.model.names import deployment_id
from dawsos.model.run import RevertRecord
from dawsos.platforms.contract import EnvironmentStatus
from dawsos.rollout.controller import DRAIN_DEADLINE, move_to_stable
from dawsos.rollout.lifecycle import RolloutContext


async def revert(context: RolloutContext, run: str, name: str, reason: str) -> RevertRecord | None:
    """Give all traffic to the context's release and return the record of it.  ``name`` and ``reason`` say who asked and why.

    Returns None when the release serves already.  Raises InfrastructureError when nothing serves, ReleaseFailed when the release
    does not start.
    """
    platform, release = context.platform, context.release
    status = await platform.status()
    serving = status.roles.stable
    if serving is None:
        raise InfrastructureError(f"no release serves {platform.name}", fix="dawsos ship")
    leaving, good = serving, _ready_deployment(status, release.digest)
    if status.release_of(serving) == release.digest:
        if status.roles.canary is None:
            return None
        # An older version that was killed here left the traffic on the release that it was leaving.
        leaving, good = status.roles.canary, serving
    if good is None:
        good = deployment_id(release.digest, run)
        await platform.deploy(good, release)
        status = await platform.status()
        deployed = Deployed(platform.name, release.digest, good, status.url, status.deployments[good].replicas)
        context.recorder.record(deployed, context.stage)
    started = RevertStarted(platform.name, release.digest, good, status.release_of(leaving), leaving, name, reason)
    context.recorder.record(started, context.stage)
    return await finish_revert(context, _recorded(context))


def _ready_deployment(status: EnvironmentStatus, release: str) -> str | None:
    """Return a deployment that runs ``release`` and is ready; the standby usually is one."""
    return next((each.id for each in status.deployments.values() if each.release == release and each.ready), None)


def _recorded(context: RolloutContext) -> RevertRecord:
    record = context.recorder.refresh().revert
    if record is None:
        raise InfrastructureError("the journal lost the beginning of the revert", fix="dawsos verify")
    return record


async def finish_revert(context: RolloutContext, record: RevertRecord) -> RevertRecord:
    """Move the traffic of a recorded revert, measure it, and stop what no longer serves.  It may be repeated after a crash."""
    platform, clock = context.platform, context.clock
    serving = (await platform.status()).roles.stable
    if serving not in (record.deployment, record.left_deployment):
        raise InfrastructureError(
            f"another release took {platform.name} while nobody went on with the revert", fix="dawsos status"
        )
    if record.finished_at is None:
        started = clock.monotonic()
        await platform.renew_lease(context.policy.lease)
        await platform.route(record.deployment, record.left_deployment or None, 100)
        traffic = platform.traffic()
        try:
            await move_to_stable(traffic, clock)
            shifted = clock.monotonic() - started
            drained = await traffic.wait_until_drained(DRAIN_DEADLINE)
        finally:
            await traffic.close()
        answered = None if drained.answered is None else round(shifted + drained.answered, 4)
        context.recorder.record(RevertFinished(round(max(0.0, shifted + drained.received), 4), answered), context.stage)
    await platform.route(record.deployment, None, 0)
    status = await platform.status()
    for deployment in status.deployments:
        if deployment not in (status.roles.stable, status.roles.standby):
            await platform.remove(deployment)
    return _recorded(context)

"""Faults of a drill on a real cluster: what the gateway counts is the fault, and nothing of it is left."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from dawsos.adapters.kubernetes import connected
from dawsos.model.cluster import Gateway
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Sample
from dawsos.platforms.faults import WireFault
from dawsos.platforms.kubernetes.faults import KubernetesFaults
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.telemetry import KubernetesTelemetry
from dawsos.platforms.kubernetes.traffic import KubernetesTraffic
from support.cluster_shop import RELEASE, deployment, host_of, install
from support.sender import users

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(240)]
POLICY = RolloutPolicy.model_validate({"ladder": [{"weight": 100, "duration": "1s"}], "error_rate": "1%", "p95": "1s"})


async def sampled(telemetry: KubernetesTelemetry, seconds: int = 4) -> Sample:
    """Return one sample over so many seconds."""
    await telemetry.sample(0.0, 50)
    await asyncio.sleep(seconds)
    found = await telemetry.sample(time.monotonic(), 50)
    assert found.complete
    return found


def test_errors_and_latency_are_on_the_canary_only_and_gone_when_taken_back(
    cluster: Any, namespace: str, gateway: Any, tiny: Any, delivered: Any, tool_image: str
) -> None:
    image = delivered(tiny("one").images[0])
    parent = {"name": gateway.name, "namespace": gateway.namespace, "sectionName": "http"}
    paths = Paths(namespace)

    async def scene() -> None:
        async with connected(cluster.context) as api:
            await install(api, namespace, parent, deployment("one", image), deployment("two", image))
            traffic = KubernetesTraffic(api, namespace, RELEASE, Gateway())
            telemetry = KubernetesTelemetry(api, namespace, RELEASE, Gateway(), POLICY)
            faults = KubernetesFaults(api, namespace, RELEASE, tool_image)
            try:
                with users(gateway.address, host_of(namespace), 100, 4, "/") as seen:
                    await traffic.route("one", "two", 50)
                    await faults.set_fault(WireFault(status=500, share=0.3))
                    found = await sampled(telemetry)
                    assert 0.15 < found.canary.errors / found.canary.requests < 0.45
                    assert found.stable.errors == 0
                    await faults.set_fault(WireFault(latency=0.3, share=0.5))
                    found = await sampled(telemetry)
                    edges = dict(found.canary.latency)
                    assert 0.3 < edges[0.25] / found.canary.latency[-1][1] < 0.7
                    assert dict(found.stable.latency)[0.25] == found.stable.latency[-1][1]
                    await faults.clear()
                    found = await sampled(telemetry)
                    assert found.canary.errors == 0
                    assert found.canary.requests > 0
                    assert {status for status, _ in seen.came()} <= {200, 500}
                    await faults.set_fault(WireFault(status=500, share=0.3))
                    await traffic.set_weight(0)
                # The drill was killed: whoever removes the canary removes the fault with it.
                await api.delete(paths.of("deployments", "shop-backend-two"))
                deadline = time.monotonic() + 60
                while await api.find(paths.of("pods", "shop-canary-fault")) is not None:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.5)
                assert await api.find(paths.of("configmaps", "shop-canary-fault")) is None
            finally:
                await traffic.close()
                await telemetry.close()

    asyncio.run(scene())

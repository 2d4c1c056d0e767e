"""What a drill needs to know of an environment; tests/contracts/platform injects real faults."""

from __future__ import annotations

import asyncio
from typing import Any

from dawsos.platforms.faults import WireFault
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.drilling import ClusterFaults, stands, tool_image
from dawsos.platforms.kubernetes.names import BACKEND, Paths
from dawsos.platforms.kubernetes.state import Seen, killed, status_of
from fakes import VirtualClock
from support.memory_cluster import NAMESPACE
from support.workloads import NOW, TARGET, PaperCluster, serving


def _faults(cluster: PaperCluster) -> ClusterFaults:
    connection = Connection("c")
    connection.cluster = cluster  # type: ignore[assignment]
    return ClusterFaults(connection, TARGET, None, cluster.clock)  # type: ignore[arg-type]


def test_the_image_is_the_guardian_s() -> None:
    assert tool_image({}) == "dawsos-tool:latest"
    assert tool_image({"guardian": {"image": {"repository": "r/tool", "tag": "7", "digest": ""}}}) == "r/tool:7"
    assert tool_image({"guardian": {"image": {"repository": "r/tool", "digest": "sha256:1"}}}) == "r/tool@sha256:1"


def test_there_is_nothing_to_clear_before_the_chart_is_installed() -> None:
    assert stands(serving())
    assert not stands(Seen())
    asyncio.run(_faults(PaperCluster(VirtualClock())).clear())


def test_without_a_canary_no_fault_is_set() -> None:
    cluster = PaperCluster(VirtualClock(), serving())
    asyncio.run(_faults(cluster).set_fault(WireFault(status=500, share=0.5)))
    assert cluster.patches == []


def test_killed_pods_count_as_restarts_of_their_deployment() -> None:
    async def scene() -> None:
        cluster = Kills(VirtualClock(NOW), serving())
        await _faults(cluster).crash("nobody")
        await _faults(cluster).crash("a")
        workload = await cluster.get(Paths(NAMESPACE).of("deployments", "shop-backend-a"))
        assert killed(workload, NOW + 10) == (NOW, NOW)
        assert killed(workload, NOW + 301) == ()
        assert status_of("p", Seen([workload]), "", NOW).deployments["a"].restarts == 2
        assert [path.rpartition("/")[2] for path in cluster.gone] == ["a-1", "a-2"]

    asyncio.run(scene())


def test_a_note_that_is_none_counts_nothing() -> None:
    seen = serving()
    seen.of(BACKEND)["a"]["metadata"]["annotations"]["dawsos.dev/crashed"] = "?"
    assert killed(seen.of(BACKEND)["a"], NOW) == ()


class Kills(PaperCluster):
    """Takes the requests that delete pods at once."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.gone: list[str] = []

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        assert (method, options["body"]) == ("DELETE", {"gracePeriodSeconds": 0})
        self.gone.append(path)
        return b"{}"

"""A status is read from the cluster, also by a machine that never deployed."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from pathlib import Path

import pytest

from dawsos.adapters.kubernetes import Object
from dawsos.platforms.contract import EnvironmentStatus, KeptHead
from dawsos.platforms.kubernetes.journal import ClusterJournal
from dawsos.platforms.kubernetes.observer import (
    address_of,
    gateway_url,
    kept_runs,
    newest_revision,
    withdrawn,
)
from dawsos.platforms.kubernetes.state import Seen
from dawsos.platforms.observers import OBSERVERS
from dawsos.platforms.remembered import remember
from fakes import VirtualClock
from support.memory_objects import MemoryObjects
from support.workloads import PaperCluster, route, service, serving

GATEWAY = {
    "spec": {"listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}, {"name": "tls", "port": 8443, "protocol": "HTTPS"}]},
    "status": {"addresses": [{"value": "10.1.1.1"}]},
}  # fmt: skip


def _kept(version: int, told: Object) -> Object:
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(told).encode()))).decode()
    return {"metadata": {"labels": {"version": str(version)}}, "data": {"release": packed}}


def test_an_environment_that_was_never_opened_here_is_empty(tmp_path: Path) -> None:
    assert OBSERVERS["kubernetes"](tmp_path / "staging") == EnvironmentStatus("staging")


def test_a_cluster_that_is_not_there_is_a_note_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    remember(tmp_path, {"context": "c", "namespace": "n", "release": "r", "chart": "x"})
    status = OBSERVERS["kubernetes"](tmp_path)
    assert not status.running
    assert "there is no kubeconfig" in status.notes[0]


@pytest.mark.parametrize(
    ("section", "port", "expected"),
    [
        ("", 0, "http://10.1.1.1"),
        ("tls", 0, "https://10.1.1.1:8443"),
        ("", 8443, "https://10.1.1.1:8443"),
        ("no", 0, ""),
    ],
)
def test_the_address_of_a_listener(section: str, port: int, expected: str) -> None:
    assert gateway_url(GATEWAY, section, port) == expected
    assert gateway_url({**GATEWAY, "status": {}}, section, port) == ""


def test_an_address_is_that_of_the_settings_else_of_the_gateway_else_of_the_service() -> None:
    async def scene() -> None:
        cluster = PaperCluster(VirtualClock())
        found = serving()
        assert await address_of(cluster, found, "https://shop/") == "https://shop"  # type: ignore[arg-type]
        assert await address_of(cluster, found, None) == "http://10.96.1.2"  # type: ignore[arg-type]
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/projectcontour/gateways/contour"
        cluster.put(path, {**GATEWAY, "metadata": {"name": "contour"}})
        assert await address_of(cluster, found, None) == "http://10.1.1.1"  # type: ignore[arg-type]
        named = route()
        named["spec"]["hostnames"] = ["shop.example"]
        seen = Seen(services=[service("stable", "a")], routes=[named])
        assert await address_of(cluster, seen, None) == "http://shop.example"  # type: ignore[arg-type]
        assert await address_of(cluster, Seen(), None) == ""  # type: ignore[arg-type]

    asyncio.run(scene())


def test_the_newest_revision_is_read_as_helm_keeps_it() -> None:
    told = {"version": 10, "config": {"stable": "a"}, "info": {"status": "deployed", "description": "Rollback to 2"}}
    values, revisions = newest_revision([_kept(10, told), _kept(9, {})])
    assert values == {"stable": "a"}
    assert revisions == [{"revision": 10, "status": "deployed", "description": "Rollback to 2"}]
    assert newest_revision([]) == ({}, [])
    assert newest_revision([{"metadata": {"labels": {"version": "1"}}, "data": {"release": "!"}}]) == ({}, [])


def test_what_the_guardian_did_is_told_to_whoever_asks() -> None:
    async def scene() -> None:
        cluster = PaperCluster(VirtualClock())
        assert await withdrawn(cluster, "shop", "prod") == ()  # type: ignore[arg-type]
        told = {"at": 1_000_000_000, "holder": "ann@one 1", "weight": 25, "seconds": 5.3}
        notes = {"dawsos.dev/withdrawn": json.dumps(told)}
        path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/prod-rollout"
        cluster.put(path, {"metadata": {"name": "prod-rollout", "annotations": notes}, "spec": {}})
        [sentence] = await withdrawn(cluster, "shop", "prod")  # type: ignore[arg-type]
        assert sentence == (
            "the guardian withdrew a canary at 2001-09-09 01:46:40 UTC: ann@one 1 had not renewed the lease of the rollout "
            "for 5.3 s: the canary's 25 % of the traffic went back to stable; dawsos resume goes on"
        )

    asyncio.run(scene())


def test_the_runs_that_the_cluster_keeps_are_named_the_newest_first() -> None:
    async def scene() -> None:
        objects = MemoryObjects()
        assert await kept_runs(objects.cluster, "shop", "prod") == ()
        for release, run in (("prod", "20260101-a"), ("prod", "20260102-b"), ("other", "20260103-c")):
            await ClusterJournal(objects.cluster, "shop", release).put_head(KeptHead(run, "signed", 1))
        assert await kept_runs(objects.cluster, "shop", "prod") == ("20260102-b", "20260101-a")

    asyncio.run(scene())

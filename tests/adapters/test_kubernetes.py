"""The client of the API server, asked over real sockets: what it sends, and the error for each way to have no answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError, Cluster, Unreachable, connected
from dawsos.adapters.loopback import free_ports
from dawsos.errors import BadInput
from support.pages import Asked, answered, serving

pytestmark = pytest.mark.e2e  # opens sockets on loopback

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters:
- {{name: one, cluster: {{server: "{server}"}}}}
users:
- {{name: me, user: {user}}}
contexts:
- {{name: here, context: {{cluster: one, user: me}}}}
"""
NOT_FOUND = json.dumps({"kind": "Status", "reason": "NotFound", "message": 'pods "x" not found', "code": 404})


@pytest.fixture
def ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Asked], bytes | None], Callable[[Cluster], Awaitable[Any]]], tuple[Any, list[Asked]]]:
    """Return what asks a server with given answers as the cluster of the context ``here``."""

    def asking(
        answer: Callable[[Asked], bytes | None],
        question: Callable[[Cluster], Awaitable[Any]],
        user: str = "{token: secret-token}",
    ) -> tuple[Any, list[Asked]]:
        async def talk() -> tuple[Any, list[Asked]]:
            async with serving(answer) as (url, asked):
                write(tmp_path, url, user, monkeypatch)
                async with connected("here", timeout=2.0) as cluster:
                    return await question(cluster), asked

        return asyncio.run(talk())

    return asking


def write(folder: Path, server: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").write_text(KUBECONFIG.format(server=server, user=user))
    monkeypatch.setenv("KUBECONFIG", f"{folder / 'not-there'}:{folder / 'config'}")


def as_json(value: Any, status: int = 200) -> bytes:
    return answered(json.dumps(value), status, "application/json")


def test_an_object_is_found_and_one_that_is_not_there_is_none(ask: Any) -> None:
    def answer(asked: Asked) -> bytes:
        return as_json({"metadata": {"name": "y"}}) if asked.path.endswith("/y") else answered(NOT_FOUND, 404)

    found, asked = ask(answer, lambda cluster: cluster.find("/api/v1/namespaces/n/pods/y"))
    assert found == {"metadata": {"name": "y"}}
    assert asked[0].headers["authorization"] == "Bearer secret-token"
    assert ask(answer, lambda cluster: cluster.find("/api/v1/namespaces/n/pods/x"))[0] is None
    with pytest.raises(ApiError, match='pods "x" not found') as error:
        ask(answer, lambda cluster: cluster.get("/api/v1/namespaces/n/pods/x"))
    assert (error.value.status, error.value.reason) == (404, "NotFound")


def test_a_refusal_without_kubernetes_words_keeps_its_status(ask: Any) -> None:
    with pytest.raises(ApiError, match="bad gateway") as error:
        ask(lambda _: answered("bad gateway", 502), lambda cluster: cluster.find("/api/v1/pods"))
    assert error.value.status == 502


NO_ROLES = 'leases is forbidden: User "x" cannot get: RBAC: [clusterrole.rbac "system:basic-user" not found, role "x" not found]'


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (503, "the request has been made before all known HTTP paths have been installed", Unreachable),
        (429, "too many requests", Unreachable),
        (403, NO_ROLES, Unreachable),
        (403, 'leases is forbidden: User "x" cannot get', ApiError),
        (403, 'RBAC: role.rbac.authorization.k8s.io "mine" not found', ApiError),
    ],
)
def test_an_api_server_that_cannot_tell_yet_is_unreachable_and_one_that_refuses_is_not(
    ask: Any, status: int, message: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        ask(lambda _: as_json({"message": message}, status), lambda cluster: cluster.find("/api/v1/pods"))


def test_objects_are_selected_by_their_labels(ask: Any) -> None:
    body = {"items": [{"a": 1}], "metadata": {"resourceVersion": "7"}}
    found, asked = ask(lambda _: as_json(body), lambda cluster: cluster.listed("/api/v1/pods", {"app": "x", "v": "1"}))
    assert found == ([{"a": 1}], "7")
    assert asked[0].query == {"labelSelector": "app=x,v=1"}
    assert ask(lambda _: as_json({"items": None}), lambda cluster: cluster.list("/api/v1/pods"))[0] == []


@pytest.mark.parametrize(
    ("kind", "content", "force"),
    [
        ("json", "application/json-patch+json", None),
        ("merge", "application/merge-patch+json", None),
        ("apply", "application/apply-patch+yaml", "true"),
    ],
)
def test_a_patch_says_of_which_kind_it_is(ask: Any, kind: Any, content: str, force: str | None) -> None:
    _, asked = ask(lambda _: as_json({}), lambda cluster: cluster.patch("/apis/x/y", {"spec": {}}, kind))
    assert (asked[0].method, asked[0].headers["content-type"]) == ("PATCH", content)
    assert (asked[0].query["fieldManager"], asked[0].query.get("force")) == ("dawsos", force)


def test_what_is_not_there_is_deleted_already(ask: Any) -> None:
    assert ask(lambda _: as_json({}), lambda cluster: cluster.delete("/api/v1/x"))[0] is True
    assert ask(lambda _: answered(NOT_FOUND, 404), lambda cluster: cluster.delete("/api/v1/x"))[0] is False


def test_a_watch_yields_what_changes_and_says_when_its_version_is_too_old(ask: Any) -> None:
    lines = [{"type": "ADDED", "object": {"n": 1}}, {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}]
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    seen: list[Any] = []

    async def watch(cluster: Cluster) -> None:
        async with aclosing(cluster.watch("/api/v1/pods", "7", {"app": "x"})) as changes:
            async for change in changes:
                seen.append(change)

    with pytest.raises(ApiError) as error:
        ask(lambda _: answered(text), watch)
    assert error.value.status == 410
    assert seen == [("ADDED", {"n": 1})]


def test_a_server_that_hangs_is_unreachable(ask: Any) -> None:
    with pytest.raises(Unreachable, match="here"):
        ask(lambda _: b"", lambda cluster: cluster.request("GET", "/api", timeout=0.1))
    with pytest.raises(Unreachable, match="did not answer"):
        ask(lambda _: None, lambda cluster: cluster.get("/api"))


def test_a_log_in_which_nothing_comes_is_unreachable(ask: Any) -> None:
    async def follow(cluster: Cluster) -> None:
        async with aclosing(cluster.lines("/log", quiet=0.1)) as lines:
            async for _ in lines:
                pass

    with pytest.raises(Unreachable):
        ask(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst\n", follow)


def test_no_server_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f"http://127.0.0.1:{free_ports(1)[0]}", "{token: x}", monkeypatch)
    with pytest.raises(Unreachable, match="readyz"):
        asyncio.run(Cluster("here").get("/api"))


def test_one_cluster_is_asked_from_one_event_loop_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster("here")

    async def talk() -> Any:
        async with serving(lambda _: as_json({"n": 1})) as (url, _):
            write(tmp_path, url, "{token: x}", monkeypatch)
            try:
                return await cluster.get("/api")
            finally:
                await cluster.close()

    assert asyncio.run(talk()) == {"n": 1}
    # Another loop has connections of its own; those of the first are not touched.
    cluster._config = None
    assert asyncio.run(talk()) == {"n": 1}


def test_whether_the_user_may_do_something_is_asked_in_kubernetes_words(ask: Any) -> None:
    answer = as_json({"status": {"allowed": True}})
    may, asked = ask(lambda _: answer, lambda cluster: cluster.allowed("prod", "get", "pods/log", name="x"))
    assert may is True
    assert (asked[0].method, asked[0].path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")


def test_the_rules_of_a_namespace_are_told_by_one_question(ask: Any) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    answer = as_json({"status": {"incomplete": True, "resourceRules": [rule]}})
    found, asked = ask(lambda _: answer, lambda cluster: cluster.rules("prod"))
    assert found == [rule]
    assert (asked[0].method, asked[0].path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews")
    found, _ = ask(lambda _: as_json({}), lambda cluster: cluster.rules("prod"))
    assert found == []


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_of_the_kubeconfig_gives_the_token(ask: Any, tmp_path: Path, version: str) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text('#!/bin/sh\necho \'{"status": {"token": "from-plugin"}}\'\n')
    plugin.chmod(0o700)
    user = f'{{exec: {{apiVersion: client.authentication.k8s.io/{version}, command: "{plugin}"}}}}'
    _, asked = ask(lambda _: as_json({}), lambda cluster: cluster.get("/api"), user)
    assert asked[0].headers["authorization"] == "Bearer from-plugin"


def test_a_plugin_that_fails_is_bad_input(ask: Any) -> None:
    user = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false}}"
    with pytest.raises(BadInput, match="cannot authenticate"):
        ask(lambda _: as_json({}), lambda cluster: cluster.get("/api"), user)


def test_a_context_that_is_not_there_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "http://127.0.0.1:1", "{token: x}", monkeypatch)
    with pytest.raises(BadInput, match="no context 'there', only: here"):
        asyncio.run(Cluster("there").get("/api"))
    (tmp_path / "config").write_text("clusters: {")
    with pytest.raises(BadInput, match="config"):
        asyncio.run(Cluster("here").get("/api"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="no kubeconfig"):
        asyncio.run(Cluster("here").get("/api"))
    with pytest.raises(BadInput, match="service account"):
        asyncio.run(Cluster("in-cluster").get("/api"))

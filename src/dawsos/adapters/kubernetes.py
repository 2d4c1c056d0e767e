"""Requests to the API server of one Kubernetes cluster, with plain JSON objects.

lightkube reads the kubeconfig and does the authentication; nothing of it is seen outside of this module.  Every call sends one
request and does not repeat it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from dawsos.errors import BadInput, InfrastructureError

if TYPE_CHECKING:
    import httpx2 as httpx
    from lightkube.config.kubeconfig import SingleConfig

Object = dict[str, Any]
Objects = list[Object]
PatchKind = Literal["json", "merge", "apply"]

# The context that stands for the service account of the pod in which this process runs.
IN_CLUSTER = "in-cluster"
FIELD_MANAGER = "dawsos"
_TIMEOUT = 10.0
_CONTENT: dict[PatchKind, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
# lightkube knows the version whose answer has the same form.
_EXEC_V1, _EXEC_KNOWN = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


# Of an API server that is overloaded, that starts, or whose store is away.
_NOT_NOW = (429, 503, 504)
# One that has started refuses everybody for a moment, until it has read the roles.
_NO_ROLES_YET = re.compile(r"RBAC: .*\bsystem:\S+ not found")


class ApiError(InfrastructureError):
    """The API server refused a request: ``status`` is that of HTTP, ``reason`` Kubernetes' word for it (``NotFound``)."""

    def __init__(self, status: int, reason: str, message: str, *, where: str) -> None:
        super().__init__(
            f"Kubernetes refused {where}: {message or reason or status}",
            fix="see whether the cluster and your rights are as they were: kubectl auth can-i --list",
        )
        self.status, self.reason = status, reason


class Unreachable(InfrastructureError):
    """The API server did not answer: no connection, no answer in time, one that was cut short, or that it cannot tell yet."""


class Cluster:
    """The API server of the kubeconfig's ``context``.

    It may be used from one event loop after another: each has connections of its own.  Every request raises ApiError when it is
    refused, and Unreachable when there is no answer within ``timeout`` seconds.
    """

    def __init__(self, context: str, *, timeout: float = _TIMEOUT) -> None:
        self.context = context
        self._timeout = timeout
        self._config: SingleConfig | None = None
        self._open: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

    @property
    def server(self) -> str:
        """The address of the API server; raises BadInput when the kubeconfig has no such context."""
        return str(self._configured().cluster.server)

    def _configured(self) -> SingleConfig:
        if self._config is None:
            self._config = _configuration(self.context)
        return self._config

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._open is None or self._open[0] is not loop:
            from lightkube.config.client_adapter import AsyncClient, ConnectionParams
            from lightkube.core.exceptions import ConfigError

            try:
                client = AsyncClient(self._configured(), ConnectionParams(timeout=_limits(self._timeout)))
            except (ConfigError, OSError, ValueError) as error:
                raise BadInput(
                    f"the context {self.context!r} of the kubeconfig cannot be used: {error}",
                    fix=f"kubectl --context {self.context} get nodes must work",
                ) from error
            self._open = (loop, client)
        return self._open[1]

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        held, self._open = self._open, None
        if held is not None and held[0] is asyncio.get_running_loop():
            await held[1].aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> bytes:
        """Return the body of the answer to one request."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if content is not None else {}
        within = _limits(self._timeout if timeout is None else timeout)
        with _mapped(self.context, f"{method} {path}"):
            answer = await self._client().request(
                method, path, params=params, content=content, headers=headers, timeout=within
            )
        _must_be_well(answer.status_code, answer.content, f"{method} {path}", self.context)
        return bytes(answer.content)

    async def _object(self, method: str, path: str, **options: Any) -> Object:
        found = json.loads(await self.request(method, path, **options))
        if not isinstance(found, dict):
            raise Unreachable(f"{method} {path}: no JSON object in the answer", fix=f"kubectl get --raw {path}")
        return found

    async def get(self, path: str) -> Object:
        """Return one object."""
        return await self._object("GET", path)

    async def find(self, path: str) -> Object | None:
        """Return one object, None when there is none of this name."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> Objects:
        """Return the objects of a kind in a namespace that have all of ``labels``."""
        return (await self.listed(path, labels))[0]

    async def listed(self, path: str, labels: Mapping[str, str] | None = None) -> tuple[Objects, str]:
        """Return the objects as ``list`` does, and the version from which ``watch`` goes on."""
        found = await self._object("GET", path, params=_selecting(labels))
        items: Objects = found.get("items") or []
        return items, str(found.get("metadata", {}).get("resourceVersion", ""))

    async def create(self, path: str, body: Object) -> Object:
        """Create an object; ``path`` is that of its kind in its namespace."""
        return await self._object("POST", path, body=body, params={"fieldManager": FIELD_MANAGER})

    async def replace(self, path: str, body: Object) -> Object:
        """Replace an object; with ``metadata.resourceVersion`` only if nobody changed it since: else ApiError with status 409."""
        return await self._object("PUT", path, body=body, params={"fieldManager": FIELD_MANAGER})

    async def patch(self, path: str, body: Object | Sequence[Object], kind: PatchKind = "merge") -> Object:
        """Patch an object.  A JSON Patch whose ``test`` does not hold raises ApiError with status 422; ``apply`` is server-side
        apply of a whole object, which takes over what others hold of it."""
        params = {"fieldManager": FIELD_MANAGER, **({"force": "true"} if kind == "apply" else {})}
        return await self._object("PATCH", path, body=body, params=params, content_type=_CONTENT[kind])

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        """Delete an object and what it owns; return whether it was there."""
        try:
            await self.request("DELETE", path, body={"propagationPolicy": propagation})
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def page(
        self, namespace: str, pod: str, port: int, path: str, params: Mapping[str, str] | None = None
    ) -> str:
        """Return a page of a pod, asked through the API server; it needs the right to ``get`` ``pods/proxy``."""
        where = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path.lstrip('/')}"
        return (await self.request("GET", where, params=params)).decode(errors="replace")

    async def lines(
        self, path: str, params: Mapping[str, str] | None = None, *, quiet: float | None = None
    ) -> AsyncGenerator[str]:
        """Yield the lines of an answer that does not end: a watch, the log of a pod.  Close it (``aclosing``) when it is left early.

        Raises Unreachable when nothing comes for ``quiet`` seconds; without it there is no limit.
        """
        from httpx2 import Timeout

        within = Timeout(self._timeout, read=quiet)
        with _mapped(self.context, f"GET {path}"):
            async with self._client().stream("GET", path, params=params, timeout=within) as answer:
                if answer.status_code >= 300:
                    _must_be_well(answer.status_code, await answer.aread(), f"GET {path}", self.context)
                async for line in answer.aiter_lines():
                    yield line

    async def watch(
        self, path: str, version: str, labels: Mapping[str, str] | None = None, *, quiet: float | None = None
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Yield (``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``, object) as objects change, from ``version`` of ``listed`` on.

        Raises ApiError with status 410 when that version is too old: list again.
        """
        params = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, **_selecting(labels)}
        async with aclosing(self.lines(path, params, quiet=quiet)) as lines:
            async for line in lines:
                if not line.strip():
                    continue
                event = json.loads(line)
                told = event["object"]
                if event["type"] == "ERROR":
                    code, words = int(told.get("code", 500)), (told.get("reason", ""), told.get("message", ""))
                    raise ApiError(code, *words, where=f"the watch of {path}")
                yield event["type"], told

    async def allowed(self, namespace: str, verb: str, resource: str, *, group: str = "", name: str = "") -> bool:
        """Return whether the user may do ``verb`` on ``resource`` (``pods``, ``pods/log``) in the namespace."""
        kind, _, part = resource.partition("/")
        asked = {
            "namespace": namespace,
            "verb": verb,
            "group": group,
            "resource": kind,
            "subresource": part,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }  # fmt: skip
        answer = await self._object("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool(answer.get("status", {}).get("allowed"))

    async def rules(self, namespace: str) -> Objects:
        """Return the rules that the API server knows to give the user rights in the namespace; there may be others."""
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
        }  # fmt: skip
        answer = await self._object("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body=review)
        return list(answer.get("status", {}).get("resourceRules") or [])


def _selecting(labels: Mapping[str, str] | None) -> dict[str, str]:
    selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
    return {"labelSelector": selector} if selector else {}


def segment(text: str) -> str:
    """Return ``text`` as one segment of a path."""
    return quote(text, safe="")


def kubeconfigs() -> list[Path]:
    """Return the files of the kubeconfig, as kubectl looks for them."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def _configuration(context: str) -> SingleConfig:
    """Return the configuration of ``context``: of the first file that has it, with its cluster and its user."""
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.core.exceptions import ConfigError

    if context == IN_CLUSTER:
        try:
            return _must_be(KubeConfig.from_service_account().get(), context)
        except (ConfigError, KeyError, OSError) as error:
            raise BadInput(
                f"the context {IN_CLUSTER!r} is for a pod with a service account: {error}",
                fix="name a context of the kubeconfig",
            ) from error
    known: list[str] = []
    looked = kubeconfigs()
    for file in looked:
        if not file.is_file():
            continue
        try:
            read = KubeConfig.from_file(file)
            known += read.contexts
            if context in read.contexts:
                return _understood(_must_be(read.get(context), context))
        except BadInput:
            raise
        except Exception as error:  # lightkube, PyYAML and msgspec raise errors of their own
            raise BadInput(
                f"{file}: the context {context!r} cannot be read: {error}", fix="kubectl config view must work"
            ) from error
    if not known:
        raise BadInput(
            f"there is no kubeconfig: {', '.join(map(str, looked))}", fix="get one from your cluster, or set KUBECONFIG"
        )
    raise BadInput(
        f"the kubeconfig has no context {context!r}, only: {', '.join(sorted(known))}",
        fix="set `context` of the environment in pipeline.yaml, or kubectl config rename-context",
    )


def _must_be(config: SingleConfig | None, context: str) -> SingleConfig:
    if config is None or config.user is None:
        raise BadInput(
            f"the context {context!r} of the kubeconfig names no user", fix="kubectl config set-context --user"
        )
    return config


def _understood(config: SingleConfig) -> SingleConfig:
    """Return the configuration; a plugin of the newest version becomes one of the version before, whose answer is the same."""
    user = config.user
    if user is not None and user.exec is not None and user.exec.apiVersion == _EXEC_V1:
        user.exec.apiVersion = _EXEC_KNOWN
    return config


def _limits(seconds: float) -> httpx.Timeout:
    from httpx2 import Timeout

    return Timeout(seconds)


class _mapped:  # noqa: N801 - used like a function
    """Turns the errors of the HTTP client and of a plugin for authentication into those of this module."""

    def __init__(self, context: str, where: str) -> None:
        self._context, self._where = context, where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        from httpx2 import HTTPError, InvalidURL, StreamError
        from lightkube.core.exceptions import ConfigError

        if isinstance(error, ConfigError):
            raise BadInput(
                f"the context {self._context!r} cannot authenticate: {error}",
                fix=f"kubectl --context {self._context} get nodes must work",
            ) from error
        if isinstance(error, (HTTPError, InvalidURL, StreamError, OSError)):
            what = str(error) or type(error).__name__
            raise Unreachable(
                f"the cluster of the context {self._context!r} did not answer {self._where}: {what}",
                fix=f"kubectl --context {self._context} get --raw /readyz",
            ) from error


def _must_be_well(status: int, body: bytes, where: str, context: str) -> None:
    """Raise ApiError when the status is none of success, Unreachable when the API server cannot say yet what it knows."""
    if 200 <= status < 300:
        return
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    message = str(told.get("message") or body[:300].decode(errors="replace"))
    if status in _NOT_NOW or (status == 403 and _NO_ROLES_YET.search(message)):
        raise Unreachable(
            f"the cluster of the context {context!r} cannot answer {where} now: {message}",
            fix=f"kubectl --context {context} get --raw /readyz",
        )
    raise ApiError(status, str(told.get("reason", "")), message, where=where)


@asynccontextmanager
async def connected(context: str, *, timeout: float = _TIMEOUT) -> AsyncIterator[Cluster]:
    """Open the cluster of ``context`` and close its connections at the end."""
    cluster = Cluster(context, timeout=timeout)
    try:
        yield cluster
    finally:
        await cluster.close()

"""A small service that is shipped to a cluster: ``tests/pipelines/clustered`` in a repository of its own, with the least rights.

The kubeconfig that the commands get has the token of a ServiceAccount with deploy/kubernetes/rbac.yaml and rbac-guardian.yaml alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.clone import ROOT, Clone, Said, git
from support.cluster import Cluster, Gateway
from support.cluster_charts import tiny_values
from support.locked import BUILDING, locked
from support.oci import base_layer

_BASE = "localhost/dawsos-test-base"
_LISTENER = "spare-2"
RIGHTS = ("rbac.yaml", "rbac-guardian.yaml")


@dataclass(frozen=True)
class Clustered:
    """``kubeconfig`` has the least rights; those of ``cluster`` are the tests' own."""

    cluster: Cluster
    namespace: str
    project: Clone
    kubeconfig: Path
    url: str

    def dawsos(self, *words: str, check: int | None = None, of: Clone | None = None, **more: str) -> Said:
        """Run a command of the project, or of another clone of it, with the least rights."""
        return (of or self.project).dawsos(*words, check=check, KUBECONFIG=str(self.kubeconfig), **more)

    def weight(self) -> int:
        """Return the canary's share as the route has it."""
        routes = self.cluster.items("httproutes", "-n", self.namespace)
        backends = [ref for route in routes for ref in route["spec"]["rules"][0]["backendRefs"]]
        return sum(int(ref.get("weight", 1)) for ref in backends if ref["name"].endswith("-canary"))

    def clone(self, path: Path) -> Clone:
        """Return another clone: what is committed, and nothing that dawsos keeps."""
        git(path.parent, "clone", "--quiet", str(self.project.path), str(path))
        return Clone(path)

    def may(self, verb: str, resource: str, *words: str) -> bool:
        argv = ["kubectl", f"--kubeconfig={self.kubeconfig}", "auth", "can-i", verb, resource, *words]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@contextmanager
def clustered(cluster: Cluster, gateway: Gateway, namespace: str, tool: str, folder: Path) -> Iterator[Clustered]:
    """Make the project below ``folder``, and the ServiceAccount; at the end no process of it is left."""
    if shutil.which("buildah") is None:
        pytest.skip("images of a project are made by buildah")
    if _LISTENER not in gateway.listeners:
        pytest.skip(f"the gateway has no listener {_LISTENER} with an address of its own")
    project = _project(cluster, gateway, namespace, tool, folder / "shop")
    kubeconfig = _least_rights(cluster, namespace)
    made = Clustered(cluster, namespace, project, kubeconfig, gateway.listeners[_LISTENER])
    try:
        yield made
    finally:
        for process in project.processes():
            process.kill()
        kubeconfig.unlink()
        for kind in ("role", "rolebinding"):
            cluster.kubectl("delete", kind, "-n", gateway.namespace, "dawsos-gateway", "--ignore-not-found")
        _buildah("rmi", _BASE)


def _project(cluster: Cluster, gateway: Gateway, namespace: str, tool: str, path: Path) -> Clone:
    shutil.copytree(ROOT / "tests" / "pipelines" / "clustered", path)
    for name in ("shop", "pyproject.toml"):
        whole = ROOT / "tests" / "pipelines" / "watched" / name
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, path / name)
    shutil.copytree(ROOT / "charts", path / "charts")
    values = tiny_values(gateway, listener=_LISTENER, tool=tool)
    values["backend"] = {**values["backend"], "ready": "/health/ready"}
    (path / "values.json").write_text(json.dumps(values))
    (path / "tools.txt").write_text(locked(*BUILDING))
    (path / "requirements.txt").write_text(locked("pluggy"))
    git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    project = Clone(path)
    told = {
        "the-context": cluster.context,
        "the-namespace": namespace,
        "the-command": json.dumps(cluster.imports),
        "http://the-address.invalid": gateway.listeners[_LISTENER],
    }
    for word, value in told.items():
        project.edit("pipeline.yaml", f": {word}", f": {value}")
    (path / ".gitignore").write_text(".dawsos\n")
    project.commit("the shop")
    if not _buildah("inspect", "--type", "image", _BASE):
        container = _buildah("from", "scratch").strip()
        _buildah("add", "--quiet", container, str(base_layer()), "/")
        assert _buildah("commit", "--quiet", "--rm", container, _BASE)
    return project


def _least_rights(cluster: Cluster, namespace: str) -> Path:
    for name in RIGHTS:
        text = (ROOT / "deploy" / "kubernetes" / name).read_text()
        cluster.kubectl("apply", "-f", "-", text=text.replace("production", namespace))
    token = cluster.kubectl("create", "token", "dawsos", "-n", namespace, "--duration=2h").strip()
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"] = [{"name": "dawsos", "user": {"token": token}}]
    where = {"cluster": config["clusters"][0]["name"], "user": "dawsos"}
    config["contexts"] = [{"name": cluster.context, "context": where}]
    # Beside the other one: by its place deploy/cluster/import knows the cluster.
    file = cluster.kubeconfig.with_name(f"{namespace}.kubeconfig")
    file.touch(mode=0o600)
    file.write_text(json.dumps({**config, "current-context": cluster.context}))
    return file


def _buildah(*words: str) -> str:
    """Return what buildah prints, nothing when it fails."""
    # buildah would read Docker's configuration as well, which may be one without credentials.
    own = {key: word for key, word in os.environ.items() if not key.startswith("DOCKER_")}
    own["PATH"] += ":/usr/sbin:/sbin"
    done = subprocess.run(["buildah", *words], capture_output=True, text=True, check=False, env=own)
    return done.stdout if done.returncode == 0 else ""

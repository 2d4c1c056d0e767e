"""On a real cluster: pods of a labelled namespace run only images that a believed key signed for."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from dawsos.adapters.kubernetes import ApiError, Cluster
from dawsos.model.release import BuiltImage
from dawsos.model.run import Run
from dawsos.platforms.kubernetes.images import publish
from dawsos.platforms.kubernetes.target import Target
from dawsos.provenance import envelope as dsse
from dawsos.provenance.keys import LocalSigner, local_signer
from dawsos.provenance.statements import verified_image
from support.authority import certified
from support.cluster import Cluster as Existing

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
HEX, OTHER = "a1" * 32, "b2" * 32
IMAGE = f"registry.example.com/team/backend@sha256:{HEX}"
LABEL = "dawsos.dev/signed-images"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@dataclass
class Admitting:
    """A namespace whose pods are decided about by a running service; ``signer`` has the key that it believes."""

    context: str
    namespace: str
    signer: LocalSigner
    service: subprocess.Popen[str]

    def call(self, work: Any) -> Any:
        async def connected() -> Any:
            cluster = Cluster(self.context)
            try:
                return await work(cluster)
            finally:
                await cluster.close()

        return asyncio.run(connected())

    def sign(
        self, digest: str, signer: LocalSigner | None = None, *, environment: str = "production", under: str = ""
    ) -> None:
        """Sign for the image ``digest``, and put that where the statement about ``under`` is looked for."""
        run = Run(id="r", release="d" * 64, commit="c" * 40, definition="e" * 64)
        told = verified_image(run, ("backend", f"sha256:{digest}"), environment, 1.7e9, {})
        text = dsse.sign(told, signer or self.signer)
        image = BuiltImage("backend", f"sha256:{under or digest}", Path(), text)
        target = Target(self.context, self.namespace, "shop", Path())
        self.call(lambda cluster: publish(image, cluster, target))

    def pod(self, image: str, namespace: str = "", **spec: Any) -> str:
        """Return why a pod with ``image`` is refused, an empty text when it would be made (nothing runs)."""
        body = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{secrets.token_hex(4)}"},
            "spec": {"containers": [{"name": "c", "image": image}], **spec},
        }  # fmt: skip
        path = f"/api/v1/namespaces/{namespace or self.namespace}/pods"
        try:
            self.call(lambda cluster: cluster.request("POST", path, params={"dryRun": "All"}, body=body))
        except ApiError as error:
            return error.message
        return ""


def address_for(server: str) -> str:
    """Return the address by which the API server reaches this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((urlsplit(server).hostname, 1))
        return str(probe.getsockname()[0])


def listening(service: subprocess.Popen[str]) -> int:
    assert service.stdout is not None
    found = re.search(r"port (\d+)", service.stdout.readline())
    assert found, "the service did not start"
    return int(found[1])


@pytest.fixture(scope="module")
def admitting(cluster: Existing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admitting]:
    folder = tmp_path_factory.mktemp("admission")
    server = cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={..server}").strip()
    context = cluster.context or cluster.kubectl("config", "current-context").strip()
    host = address_for(server)
    tls, signer = certified(folder / "tls", host), local_signer(folder / "home")
    (folder / "keys").mkdir()
    for path in (folder / "home").glob("*.pub"):
        shutil.copy(path, folder / "keys")
    (folder / "allowed").write_text(f"# of the platform\nregistry.example.com/proxy@sha256:{OTHER}\n")
    argv = (
        sys.executable, "-m", "dawsos.cli", "admission", "--keys", str(folder / "keys"), "--tls", str(tls), "--listen", "0",
        "--allow", str(folder / "allowed"), "--context", context,
    )  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    service = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    name = f"images-{secrets.token_hex(3)}"
    made = Admitting(context, name, signer, service)
    try:
        url = f"https://{host}:{listening(service)}/validate"
        made.call(lambda cluster: prepare(cluster, name, url, tls / "tls.crt"))
        yield made
    finally:
        service.terminate()
        service.communicate(timeout=10)
        made.call(lambda cluster: cleaned(cluster, name))


async def prepare(cluster: Cluster, name: str, url: str, authority: Path) -> None:
    for namespace, labels in ((name, {LABEL: "required", "test": name}), (f"{name}-free", {})):
        await cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    documents = YAML(typ="safe").load_all((ROOT / "deploy" / "kubernetes" / "admission.yaml").read_text())
    (webhook,) = next(one for one in documents if one["kind"] == "ValidatingWebhookConfiguration")["webhooks"]
    assert webhook["namespaceSelector"] == {"matchLabels": {LABEL: "required"}}
    # As it is given to people, but for this test's namespace and the service of this test.
    webhook["namespaceSelector"]["matchLabels"]["test"] = name
    webhook["clientConfig"] = {"url": url, "caBundle": base64.b64encode(authority.read_bytes()).decode()}
    await cluster.create(_WEBHOOKS, {"metadata": {"name": name}, "webhooks": [webhook]})
    # A new webhook takes a moment to be asked, and a namespace one to have its account.
    path, body = (
        f"/api/v1/namespaces/{name}/pods",
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}},
    )
    for _ in range(100):
        try:
            await cluster.request("POST", path, params={"dryRun": "All"}, body=body)
        except ApiError as error:
            if "named by a tag" in error.message:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the API server does not ask the service")


async def cleaned(cluster: Cluster, name: str) -> None:
    await cluster.delete(f"{_WEBHOOKS}/{name}")
    for namespace in (name, f"{name}-free"):
        await cluster.delete(f"/api/v1/namespaces/{namespace}")


def test_an_image_that_nobody_signed_for_is_refused(admitting: Admitting) -> None:
    unsigned = f"registry.example.com/team/backend@sha256:{'0' * 64}"
    assert f"dawsos: nobody signed that {unsigned} passed the gates of production" in admitting.pod(unsigned)


def test_an_image_that_a_believed_key_signed_for_is_admitted(admitting: Admitting) -> None:
    admitting.sign(HEX)
    assert admitting.pod(IMAGE) == ""
    # Wherever it was pushed to: the statement is about its bytes.
    assert admitting.pod(f"other.example.com/x@sha256:{HEX}") == ""


def test_every_container_of_the_pod_counts(admitting: Admitting) -> None:
    admitting.sign(HEX)
    unsigned = {"name": "i", "image": f"x.example.com/y@sha256:{'0' * 64}"}
    assert "nobody signed that x.example.com/y" in admitting.pod(IMAGE, initContainers=[unsigned])


def test_a_statement_about_another_image_is_refused(admitting: Admitting) -> None:
    wanted = "c3" * 32
    admitting.sign(HEX, under=wanted)
    assert "is about another image, sha256:a1a1" in admitting.pod(f"r.example.com/x@sha256:{wanted}")


def test_a_key_that_is_not_believed_is_refused(admitting: Admitting, tmp_path: Path) -> None:
    wanted = "d4" * 32
    admitting.sign(wanted, local_signer(tmp_path / "stranger"))
    assert "which is not trusted here" in admitting.pod(f"r.example.com/x@sha256:{wanted}")


def test_a_statement_for_another_environment_is_refused(admitting: Admitting) -> None:
    wanted = "e5" * 32
    admitting.sign(wanted, environment="staging")
    assert "is for the environment 'staging', not for 'production'" in admitting.pod(f"r.example.com/x@sha256:{wanted}")


def test_a_tag_is_refused_whatever_is_signed(admitting: Admitting) -> None:
    admitting.sign(HEX)
    for image in ("registry.example.com/team/backend:1.0", "registry.example.com/team/backend", f"x@sha256:{HEX[:10]}"):
        assert "is named by a tag" in admitting.pod(image)


def test_an_image_that_the_administrator_allows_needs_no_statement(admitting: Admitting) -> None:
    assert admitting.pod(f"registry.example.com/proxy@sha256:{OTHER}") == ""
    assert "nobody signed" in admitting.pod(f"registry.example.com/other@sha256:{OTHER}")


def test_a_namespace_without_the_label_is_left_alone(admitting: Admitting) -> None:
    assert admitting.pod("registry.example.com/team/backend:1.0", f"{admitting.namespace}-free") == ""


def test_without_the_service_nothing_is_admitted(admitting: Admitting) -> None:
    """The last test of this file: it stops the service."""
    admitting.sign(HEX)
    assert admitting.pod(IMAGE) == ""
    admitting.service.terminate()
    admitting.service.wait(10)
    assert "failed calling webhook" in admitting.pod(IMAGE)

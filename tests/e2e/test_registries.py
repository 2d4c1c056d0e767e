"""Real registries get images byte for byte, with a password and TLS and without.

The programs come from the Go module proxy, and are looked for on PATH:

    go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
    go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.http import HttpClient, HttpError
from dawsos.adapters.loopback import free_ports
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Delivery
from dawsos.model.release import BuiltImage
from dawsos.platforms.kubernetes import images
from support.authority import certified
from support.images import altered, kept_image

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(60)]

PASSWORD = "correct horse"
# As htpasswd -B writes it; the registry takes no other form.
HTPASSWD = "ada:$2b$05$4YYcqKRAIl.u6toF3NEpsuekehlwOvBJMuH7VVEbkQq0j4Q7gQ46m\n"


@dataclass(frozen=True)
class Server:
    """A registry that runs: where images go, and the files with which it was started."""

    place: str
    folder: Path
    secure: bool = False
    password: bool = False

    @property
    def host(self) -> str:
        return self.place.removeprefix("https://").partition("/")[0]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no program {name} (see the head of this file)")
    return found


def distribution(folder: Path, port: int, *, tls: bool, password: bool) -> tuple[str, ...]:
    """Write the configuration of distribution's registry, and return how it is started."""
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if tls:
        certified(folder / "tls", "127.0.0.1")
        config["http"] |= {"tls": {"certificate": str(folder / "tls/tls.crt"), "key": str(folder / "tls/tls.key")}}  # type: ignore[operator]
    if password:
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    # JSON is YAML.
    (folder / "config.yml").write_text(json.dumps(config))
    return (program("registry"), "serve", str(folder / "config.yml"))


@pytest.fixture(params=["crane", "distribution", "with a password", "with TLS and a password"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    tls, password = "TLS" in request.param, "password" in request.param
    (port,) = free_ports(1)
    if request.param == "crane":
        argv: tuple[str, ...] = (program("crane"), "registry", "serve", "--address", f"127.0.0.1:{port}")
    else:
        argv = distribution(tmp_path, port, tls=tls, password=password)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with (tmp_path / "registry.log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log) as child:
        try:
            up(port)
            yield Server(f"{'https://' if tls else ''}127.0.0.1:{port}/team", tmp_path, tls, password)
        finally:
            child.terminate()
            child.wait(10)


def up(port: int) -> None:
    async def answers() -> bool:
        client = HttpClient(f"http://127.0.0.1:{port}", timeout=2.0)
        try:
            return (await client.request("GET", "/v2/")).status > 0
        except HttpError as error:
            return error.kind not in ("cannot connect", "disconnected")
        finally:
            await client.close()

    until = time.monotonic() + 20.0
    while not asyncio.run(answers()):
        assert time.monotonic() < until, "the registry does not answer"
        time.sleep(0.1)


def logged_in(server: Server, password: str = PASSWORD) -> None:
    (server.folder / "docker").mkdir(exist_ok=True)
    auth = base64.b64encode(f"ada:{password}".encode()).decode()
    (server.folder / "docker" / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": auth}}}))


def pushed(server: Server, image: BuiltImage) -> str:
    runner = ProcessRunner(SystemClock(), Masker(()))
    return asyncio.run(images.deliver(image, Delivery(registry=server.place), runner, server.folder / "push.log"))


@pytest.fixture
def believed(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The certificate of the registry lies where Docker has those of registries, and the user is logged in."""
    monkeypatch.setattr(images, "_CERTIFICATES", server.folder / "certs.d")
    if server.secure:
        (server.folder / "certs.d" / server.host).mkdir(parents=True)
        shutil.copy(server.folder / "tls" / "tls.crt", server.folder / "certs.d" / server.host / "ca.crt")
    if server.password:
        logged_in(server)
    return server


def test_another_client_finds_the_image_whole_under_its_digest(
    believed: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = kept_image(tmp_path / "images", files={"app/x": b"x" * 3_000_000})
    name = pushed(believed, image)
    assert name == f"{believed.host}/team/backend@{image.digest}"
    if believed.secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(believed.folder / "tls" / "tls.crt"))
    crane = program("crane")
    for blob in oci.read_manifest(image.layout, image.digest).blobs:
        argv = (crane, "blob", f"{name.partition('@')[0]}@{blob.digest}")
        assert subprocess.run(argv, check=True, capture_output=True).stdout == blob.path.read_bytes()
    manifest = subprocess.run((crane, "manifest", name), check=True, capture_output=True).stdout
    assert manifest == oci.read_manifest(image.layout, image.digest).content
    tags = subprocess.run((crane, "ls", name.partition("@")[0]), check=True, capture_output=True, text=True).stdout
    assert tags.split() == [images.tag_of(image.digest)]
    log = (believed.folder / "push.log").read_text()
    assert PASSWORD not in log
    assert base64.b64encode(f"ada:{PASSWORD}".encode()).decode() not in log
    # A second image of the same layer sends what is new.
    worker = kept_image(tmp_path / "images", "backend", {"app/x": b"x" * 3_000_000}, {"Cmd": ["work"]})
    assert pushed(believed, worker) != name
    assert (believed.folder / "push.log").read_text().removeprefix(log).count("is there already") == 1


def test_an_image_that_was_altered_here_is_not_sent(believed: Server, tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    altered(oci.read_manifest(image.layout, image.digest).blobs[1].path)
    with pytest.raises(InfrastructureError, match="was altered after it was built"):
        pushed(believed, image)


def test_who_is_not_logged_in_or_does_not_believe_the_certificate_is_told(
    server: Server, tmp_path: Path, believed_or_not: Callable[[Server], None]
) -> None:
    image = kept_image(tmp_path / "images")
    if server.secure:
        with pytest.raises(InfrastructureError, match=r"(?i)certificate") as refused:
            pushed(server, image)
        assert "certs.d" in refused.value.fix
        believed_or_not(server)
    if server.password:
        with pytest.raises(InfrastructureError, match="your Docker configuration has none for it"):
            pushed(server, image)
        logged_in(server, "wrong horse")
        with pytest.raises(InfrastructureError, match="does not accept the credentials"):
            pushed(server, image)
        logged_in(server)
    assert image.digest in pushed(server, image)
    # Another image of another name is another repository.
    assert "/team/worker@" in pushed(server, replace(image, name="worker"))


@pytest.fixture
def believed_or_not(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    def believe(server: Server) -> None:
        folder = server.folder / "certs.d" / server.host
        folder.mkdir(parents=True)
        shutil.copy(server.folder / "tls" / "tls.crt", folder / "ca.crt")
        monkeypatch.setattr(images, "_CERTIFICATES", server.folder / "certs.d")

    return believe

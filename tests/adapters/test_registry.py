"""A push keeps every byte, sends nothing twice, and tells nobody but the registry a password."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.adapters.docker_config import Credentials
from dawsos.adapters.loopback import free_ports
from dawsos.adapters.oci import Manifest
from dawsos.adapters.registry import Place, Registry, place_of
from dawsos.errors import BadInput, InfrastructureError
from fakes import VirtualClock
from support.images import MANIFEST_TYPE, altered, kept_image
from support.registry import TOKEN, SmallRegistry

ADA = Credentials("ada", "correct horse")


class Push:
    """Pushes one image, with ``known`` as what the user's tools keep."""

    def __init__(self, folder: Path, known: Credentials | None = None) -> None:
        self.image = kept_image(folder / "images")
        self.known, self.said, self.asked = known, list[str](), 0
        self.clock = VirtualClock()

    @property
    def manifest(self) -> Manifest:
        return oci.read_manifest(self.image.layout, self.image.digest)

    async def _ask(self) -> Credentials | None:
        self.asked += 1
        return self.known

    async def to(self, place: Place) -> None:
        registry = Registry(place, self._ask, self.clock)
        try:
            await registry.push(self.manifest, "team/backend", "dawsos-1", self.said.append)
        finally:
            await registry.close()

    def into(self, small: SmallRegistry, times: int = 1) -> SmallRegistry:
        async def push() -> SmallRegistry:
            async with small.serving():
                for _ in range(times):
                    await self.to(place_of(f"{small.host}/team"))
            return small

        return asyncio.run(push())


@pytest.mark.e2e
def test_the_registry_has_every_byte_under_the_digest_and_a_tag(tmp_path: Path) -> None:
    push = Push(tmp_path)
    small = push.into(SmallRegistry())
    assert small.manifests[push.image.digest] == small.manifests["dawsos-1"] == (MANIFEST_TYPE, push.manifest.content)
    assert small.blobs == {blob.digest: blob.path.read_bytes() for blob in push.manifest.blobs}
    assert push.asked == 0
    assert push.said[-1].endswith(f"team/backend@{push.image.digest} pushed, also as dawsos-1")


@pytest.mark.e2e
def test_what_is_there_is_not_sent_again(tmp_path: Path) -> None:
    push = Push(tmp_path)
    small = push.into(SmallRegistry(), times=2)
    assert sum(one.startswith("PUT") for one in small.asked) == 3
    assert "is there already" in push.said[-1]
    other = SmallRegistry(blobs=dict(small.blobs))
    push.into(other)
    assert sum(one.startswith("PUT") for one in other.asked) == 1


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("wants", "known", "header"),
    [
        ("basic", ADA, ADA.basic),
        ("bearer", ADA, f"Bearer {TOKEN}"),
        ("bearer", Credentials(token="refresh-token"), f"Bearer {TOKEN}"),
    ],
)
def test_credentials_are_asked_for_when_the_registry_wants_some(
    wants: str, known: Credentials, header: str, tmp_path: Path
) -> None:
    push = Push(tmp_path, known)
    small = push.into(SmallRegistry(wants=wants))
    assert push.image.digest in small.manifests
    assert (push.asked, small.seen[0], small.seen[-1]) == (1, "", header)
    assert not any(secret in "\n".join(push.said) for secret in (*known.secrets, TOKEN))


@pytest.mark.e2e
@pytest.mark.parametrize("wants", ["basic", "bearer"])
@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "wants a password, and your Docker configuration has none"),
        (Credentials("ada", "wrong horse"), "does not accept the credentials"),
        (Credentials(token="wrong-token"), "does not accept the credentials"),
    ],
)
def test_who_may_not_push_is_told_what_to_do(wants: str, known: Credentials | None, why: str, tmp_path: Path) -> None:
    push = Push(tmp_path, known)
    with pytest.raises(InfrastructureError, match=why) as refused:
        push.into(SmallRegistry(wants=wants))
    assert "docker login 127.0.0.1" in refused.value.fix
    assert "wrong" not in str(refused.value)


@pytest.mark.e2e
def test_a_refusal_is_told_without_the_password_that_the_registry_sent_back(tmp_path: Path) -> None:
    push = Push(tmp_path, ADA)
    with pytest.raises(InfrastructureError, match="did not begin an upload: status 403") as refused:
        push.into(SmallRegistry(wants="basic", refuses="/uploads/"))
    assert "DENIED you sent Basic ***" in str(refused.value)


@pytest.mark.e2e
def test_a_busy_registry_is_asked_again_and_one_that_stays_busy_is_told(tmp_path: Path) -> None:
    push = Push(tmp_path)
    assert push.image.digest in push.into(SmallRegistry(busy=2)).manifests
    with pytest.raises(InfrastructureError, match="cannot be used: status 503"):
        push.into(SmallRegistry(busy=99))


@pytest.mark.e2e
def test_a_registry_that_keeps_something_else_is_refused(tmp_path: Path) -> None:
    push = Push(tmp_path)
    with pytest.raises(InfrastructureError, match="does not have it"):
        push.into(SmallRegistry(forgets=True))
    with pytest.raises(InfrastructureError, match="another digest, sha256:0"):
        push.into(SmallRegistry(says_digest="sha256:" + "0" * 64))


@pytest.mark.e2e
def test_a_layer_that_changes_while_it_is_sent_is_refused_by_the_registry(tmp_path: Path) -> None:
    push = Push(tmp_path)
    altered(push.manifest.blobs[1].path)
    with pytest.raises(InfrastructureError, match=r"did not take sha256.*DIGEST_INVALID"):
        push.into(SmallRegistry())


@pytest.mark.e2e
def test_no_registry_is_told_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot be used: cannot connect") as failed:
        asyncio.run(Push(tmp_path).to(place_of(f"127.0.0.1:{free_ports(1)[0]}")))
    assert "does it run" in failed.value.fix


@pytest.mark.parametrize(
    ("text", "url", "repository"),
    [
        ("registry.example.com/team", "https://registry.example.com", "team/backend"),
        ("registry.example.com:5000", "https://registry.example.com:5000", "backend"),
        ("docker.io/ada", "https://registry-1.docker.io", "ada/backend"),
        ("localhost:5000/a/b", "http://localhost:5000", "a/b/backend"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000", "backend"),
        ("[::1]:5000/x", "http://[::1]:5000", "x/backend"),
        ("https://localhost:5000", "https://localhost:5000", "backend"),
        ("http://registry.lan:5000/x", "http://registry.lan:5000", "x/backend"),
    ],
)
def test_only_this_machine_and_what_is_declared_is_spoken_to_without_tls(text: str, url: str, repository: str) -> None:
    place = place_of(text)
    assert (place.url, place.repository("backend")) == (url, repository)


@pytest.mark.parametrize(
    "text", ["team", "team/backend", "Registry.example.com/Team", "ftp://r.example.com", "r.example.com/a:b", "/", ""]
)
def test_what_is_no_place_in_a_registry_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no place in a registry"):
        place_of(text)

"""An image is kept with its exact bytes, and one that was altered is refused."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.errors import InfrastructureError
from support.images import MANIFEST_TYPE, altered, kept_image


def test_an_image_is_read_back_with_its_exact_bytes(tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    found = oci.verify(image.layout, image.digest)
    assert f"sha256:{hashlib.sha256(found.content).hexdigest()}" == found.digest == image.digest
    assert found.media_type == MANIFEST_TYPE
    assert [blob.path.stat().st_size for blob in found.blobs] == [blob.size for blob in found.blobs]
    assert oci.is_here(image.layout, image.digest)
    assert (image.layout / "oci-layout").exists()
    # Nobody writes into what is kept by accident.
    assert all(path.stat().st_mode & 0o222 == 0 for path in (image.layout / "blobs" / "sha256").iterdir())


def test_images_share_what_they_have_in_common(tmp_path: Path) -> None:
    files = {"app/x": b"the same"}
    first = kept_image(tmp_path / "images", "backend", files, {"Cmd": ["serve"]})
    second = kept_image(tmp_path / "images", "worker", files, {"Cmd": ["work"]})
    assert first.digest != second.digest
    # Two manifests, two configurations, one layer.
    assert len(list((tmp_path / "images" / "blobs" / "sha256").iterdir())) == 5


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_an_altered_file_is_refused_by_name(which: str, tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    config, layer = oci.read_manifest(image.layout, image.digest).blobs
    paths = {"manifest": oci.blob_path(image.layout, image.digest), "config": config.path, "layer": layer.path}
    altered(paths[which])
    with pytest.raises(InfrastructureError, match="was altered after it was built") as refused:
        oci.verify(image.layout, image.digest)
    assert paths[which].name[:12] in str(refused.value)
    # Built again it is whole again.
    kept_image(tmp_path / "images")
    assert oci.verify(image.layout, image.digest).digest == image.digest


def test_what_is_not_there_is_told_and_not_taken_for_whole(tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    oci.read_manifest(image.layout, image.digest).blobs[1].path.unlink()
    assert not oci.is_here(image.layout, image.digest)
    with pytest.raises(InfrastructureError, match="is not here"):
        oci.verify(image.layout, image.digest)
    for strange in ("", "sha256:" + "0" * 64, "../../etc/passwd"):
        assert not oci.is_here(image.layout, strange)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{}", b"no json", json.dumps({"config": {"digest": "../x", "size": 1}, "layers": []}).encode()],
)
def test_what_is_no_manifest_of_an_image_is_refused(content: bytes, tmp_path: Path) -> None:
    digest = oci.keep(tmp_path, content, ())
    with pytest.raises(InfrastructureError, match="none of an image"):
        oci.read_manifest(tmp_path, digest)


def test_an_archive_has_the_image_and_the_name_that_containerd_gives_it(tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    name = f"localhost/backend@{image.digest}"
    oci.write_archive(tmp_path / "image.tar", oci.verify(image.layout, image.digest), name)
    with tarfile.open(tmp_path / "image.tar") as archive:
        contents = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    (entry,) = json.loads(contents["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == name
    assert (entry["digest"], entry["mediaType"]) == (image.digest, MANIFEST_TYPE)
    blobs = {key.rpartition("/")[2]: value for key, value in contents.items() if key.startswith("blobs/")}
    assert len(blobs) == 3
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in blobs.items())

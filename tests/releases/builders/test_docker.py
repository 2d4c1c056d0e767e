"""Whatever Docker writes into an image by chance, two builds of one release are one image, and it can be loaded again."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from dawsos.model.process import Command, CommandOutcome
from dawsos.model.service import Image
from dawsos.releases.builders.buildah import Buildah
from dawsos.releases.builders.common import BuildTools
from dawsos.releases.builders.docker import Docker, pack, unpack
from dawsos.releases.layouts import image_facts, manifest_digest

MOMENT = 1_700_000_000
FILES = {"app/site/six.py": b"x = 1\n", "bin/python3": b"\x7fELF"}


def layer(when: int, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo("app")
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, when
        archive.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), when, 0o755
            # Docker writes such headers where the file system gives it finer times, and attributes of files as well.
            entry.pax_headers = {"mtime": f"{when}.25", "SCHILY.xattr.user.kept": "yes"}
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("bin/python")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "python3", when
        archive.addfile(link)
    return buffer.getvalue()


def saved(path: Path, when: int, *, files: dict[str, bytes] = FILES, by: str = "a", squeezed: bool = False) -> Path:
    """Write what ``docker save`` would for a build at ``when`` by the container ``by``."""
    content = layer(when, files)
    digest = hashlib.sha256(content).hexdigest()
    config: dict[str, Any] = {
        "created": "2026-11-25T15:10:09.123Z" if by == "a" else "2026-11-25T16:00:00Z",
        "container": by * 64,
        "container_config": {"Hostname": by * 12},
        "config": {"Hostname": by * 12, "Image": f"sha256:{by * 64}", "User": "65532", "Labels": {"a": "b"}},
        "history": [
            {"created": "2020-01-01T00:00:00Z", "created_by": "base"},
            {"created": f"2026-11-25T15:1{by}:00Z", "empty_layer": True},
        ],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    told = [{"Config": "c.json", "RepoTags": ["x:raw"], "Layers": ["l/layer.tar"]}]
    parts = {
        "c.json": json.dumps(config).encode(),
        "l/layer.tar": gzip.compress(content) if squeezed else content,
        "manifest.json": json.dumps(told).encode(),
    }
    with tarfile.open(path, "w") as archive:
        for name, part in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(part)
            archive.addfile(entry, io.BytesIO(part))
    return path


def laid_out(folder: Path, name: str, when: int, **how: Any) -> Path:
    unpack(saved(folder / f"{name}.tar", when, **how), folder / name, MOMENT)
    return folder / name


def test_two_builds_at_other_times_in_other_containers_are_one_image(tmp_path: Path) -> None:
    first = laid_out(tmp_path, "first", MOMENT + 5)
    second = laid_out(tmp_path, "second", MOMENT + 900, by="b")
    squeezed = laid_out(tmp_path, "squeezed", MOMENT + 900, by="b", squeezed=True)
    assert manifest_digest(first) == manifest_digest(second) == manifest_digest(squeezed)


def test_another_byte_is_another_image_and_an_older_file_keeps_its_time(tmp_path: Path) -> None:
    same = laid_out(tmp_path, "same", MOMENT + 5)
    other = laid_out(tmp_path, "other", MOMENT + 5, files=FILES | {"app/site/six.py": b"x = 2\n"})
    older = laid_out(tmp_path, "older", MOMENT - 100)
    assert len({manifest_digest(one) for one in (same, other, older)}) == 3
    (path,) = [older / one["digest"].removeprefix("sha256:") for one in read(older)["layers"]]
    with tarfile.open(path) as archive:
        assert {entry.mtime for entry in archive} == {MOMENT - 100}


def read(layout: Path) -> dict[str, Any]:
    return dict(json.loads((layout / "manifest.json").read_text()))


def test_what_the_image_holds_is_kept(tmp_path: Path) -> None:
    layout = laid_out(tmp_path, "one", MOMENT + 5)
    facts = image_facts(layout)
    assert (facts["user"], facts["labels"]) == ("65532", {"a": "b"})
    assert [package["name"] for package in facts["packages"]] == ["six.py", "base"]
    (one,) = read(layout)["layers"]
    with tarfile.open(layout / one["digest"].removeprefix("sha256:")) as archive:
        kept = archive.getmember("app/site/six.py")
        assert (kept.mode, kept.pax_headers["SCHILY.xattr.user.kept"]) == (0o755, "yes")
        assert archive.getmember("bin/python").linkname == "python3"
        content = archive.extractfile(kept)
        assert content is not None
        assert content.read() == b"x = 1\n"


def test_what_is_packed_for_docker_is_what_was_laid_out(tmp_path: Path) -> None:
    layout = laid_out(tmp_path, "one", MOMENT + 5)
    pack(layout, tmp_path / "packed.tar", "localhost/dawsos-backend:d")
    with tarfile.open(tmp_path / "packed.tar") as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        assert json.load(content)[0]["RepoTags"] == ["localhost/dawsos-backend:d"]
    unpack(tmp_path / "packed.tar", tmp_path / "again", MOMENT)
    assert manifest_digest(tmp_path / "again") == manifest_digest(layout)


class Listens:
    """A runner that notes what each command could see."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []

    async def run(self, command: Command) -> CommandOutcome:
        self.seen.append(command.env)
        return CommandOutcome("ok", 0, 0.1)


def test_only_docker_s_client_sees_which_docker_is_meant(tmp_path: Path) -> None:
    for builder, sees in ((Docker(), True), (Buildah(), False)):
        runner = Listens()
        tools = BuildTools(runner, {"PATH": "/bin"}, tmp_path / "log", tmp_path, {"DOCKER_CONFIG": "/theirs"})
        assert asyncio.run(builder.problem((Image(name="b", dockerfile="D", base="localhost/b"),), tools)) == ""
        assert {"DOCKER_CONFIG" in seen for seen in runner.seen} == {sees}

"""The images of a release travel with the results that built them, and one that was altered on the way is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.adapters.archive import pack, regular_files, unpack
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt
from dawsos.errors import BadInput
from dawsos.model.plan import Action
from dawsos.model.release import BuiltImage
from dawsos.model.status import StageState
from dawsos.runs import evidence, results
from dawsos.runs.project import Project, Tools, open_tools
from runs.test_executor import Bench
from support.facts import fact
from support.images import altered, kept_image
from verbs.on_paper import Shipping


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    made = Shipping(tmp_path / "project", monkeypatch)
    made.tools.signer()
    return made


def built(shipping: Shipping) -> list[BuiltImage]:
    """Build a release with two images in a run, and keep the result."""
    release = shipping.release()
    store = shipping.project.images
    images = [kept_image(store, "backend", {"app": b"x"}, {"Cmd": ["1"]}), kept_image(store, "worker", {"app": b"x"})]
    digests = {image.name: image.digest for image in images}
    facts = {"release": release.digest, "commit": release.commit, "builder": "mason", "bytes": 1, "images": digests}

    async def build(attempt: StageAttempt) -> None:
        write_json(attempt.artifacts / "release.json", facts)
        attempt.recorder.record(fact("release_built", **facts), "build")

    bench = Bench(shipping, "20260301-120000-c0ffee0-aa")
    bench.work["build"] = build
    assert bench.execute("build", Action.RUN).result is StageState.PASSED
    return images


def saved(shipping: Shipping, target: Path) -> Path:
    tools = shipping.tools
    results.save(tools, evidence.doubts(tools), shipping.commit.sha, target)
    return target


def elsewhere(shipping: Shipping, folder: Path) -> Tools:
    """Return another machine's tools, which believe the key of the first."""
    project = Project(shipping.project.root, folder)
    tools = replace(open_tools(project), clock=shipping.clock)
    for path in shipping.project.keys.iterdir():
        (project.keys).mkdir(exist_ok=True)
        (project.keys / path.name).write_bytes(path.read_bytes())
        (project.keys / path.name).chmod(0o600)
    return tools


def rewritten(file: Path, folder: Path, change: Callable[[Path], None]) -> None:
    folder.mkdir()
    facts = unpack(file, folder, lambda name: True)
    change(folder)
    pack(file, dict(regular_files(folder)), facts)


def test_images_travel_with_the_release_and_are_whole_where_they_arrive(shipping: Shipping, tmp_path: Path) -> None:
    images = built(shipping)
    file, there = saved(shipping, tmp_path / "results.tgz"), elsewhere(shipping, tmp_path / "other")
    results.load(there, file, lambda folder: {})
    for image in images:
        assert oci.verify(there.project.images, image.digest).digest == image.digest
    # A second time nothing is missing from what is there.
    results.load(there, file, lambda folder: {})
    assert all(oci.is_here(there.project.images, image.digest) for image in images)


def test_an_image_that_is_gone_is_left_out_and_the_rest_travels(shipping: Shipping, tmp_path: Path) -> None:
    backend, worker = built(shipping)
    oci.read_manifest(backend.layout, backend.digest).blobs[0].path.unlink()
    file, there = saved(shipping, tmp_path / "results.tgz"), elsewhere(shipping, tmp_path / "other")
    results.load(there, file, lambda folder: {})
    assert not oci.is_here(there.project.images, backend.digest)
    assert oci.is_here(there.project.images, worker.digest)


@pytest.mark.parametrize("what", ["altered", "cut", "strange"])
def test_what_is_not_the_image_of_its_digest_is_refused_and_changes_nothing(
    what: str, shipping: Shipping, tmp_path: Path
) -> None:
    image = built(shipping)[0]
    file, there = saved(shipping, tmp_path / "results.tgz"), elsewhere(shipping, tmp_path / "other")
    blob = oci.read_manifest(image.layout, image.digest).blobs[1].path.name

    def change(folder: Path) -> None:
        path = folder / "images" / "blobs" / "sha256" / blob
        if what == "altered":
            altered(path)
        elif what == "cut":
            path.unlink()
        else:
            (path.parent / ("0" * 64)).write_bytes(b"a stranger's")

    rewritten(file, tmp_path / "unpacked", change)
    why = {"altered": "was altered", "cut": "is not here", "strange": "is of no image of its results"}[what]
    with pytest.raises(BadInput, match=why):
        results.load(there, file, lambda folder: {})
    assert not there.project.images.exists()
    assert not there.project.releases.exists()

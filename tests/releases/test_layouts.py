"""An image is described from its own layers, and what only names the container it was built in is taken out."""

from __future__ import annotations

from pathlib import Path

from adapters.layers import layer, layout
from dawsos.adapters import oci
from dawsos.releases.layouts import image_facts, keep_layout, manifest_digest, normalise


def test_facts_are_those_of_the_layers_laid_over_one_another(tmp_path: Path) -> None:
    below = layer(
        tmp_path,
        {
            "bin/bash": (10, 0o755),
            "usr/bin/python3": (5000, 0o755),
            "usr/share/doc/sh": (3, 0o644),
            "opt/old/x": (9, 0o644),
        },
        {"bin/sh": "dash"},
    )
    above = layer(
        tmp_path,
        {
            "bin/.wh.bash": (0, 0),
            "opt/.wh.old": (0, 0),
            "app/site/PIL/a": (700, 0o644),
            "app/site/six-1.0.dist-info/R": (9, 0o644),
        },
    )
    facts = image_facts(layout(tmp_path, below, above))
    # A link to a shell is one; a document of that name is not; what a later layer took away is gone.
    assert facts["shells"] == ["bin/sh"]
    assert facts["bytes"] == below["size"] + above["size"]
    assert facts["packages"] == [
        {"name": "base", "bytes": 5003},
        {"name": "PIL", "bytes": 700},
        {"name": "six", "bytes": 9},
    ]
    assert (facts["user"], facts["labels"], facts["healthcheck"]) == ("65532", {"a": "b"}, ["CMD", "true"])
    assert facts["layers"][0]["command"] == "COPY"


def test_two_builds_differ_by_more_than_their_container_or_not_at_all(tmp_path: Path) -> None:
    digests = []
    for host, size in (("a1b2", 1), ("c3d4", 1), ("c3d4", 2)):
        folder = tmp_path / f"{host}-{size}"
        folder.mkdir()
        normalise(layout(folder, layer(folder, {"file": (size, 0o644)}), host=host))
        digests.append(manifest_digest(folder))
        assert image_facts(folder)["user"] == "65532"
    assert digests[0] == digests[1] != digests[2]


def test_an_image_is_kept_under_the_digest_that_its_evidence_has(tmp_path: Path) -> None:
    (tmp_path / "draft").mkdir()
    folder = layout(tmp_path / "draft", layer(tmp_path / "draft", {"app/x": (3, 0o644)}))
    digest = manifest_digest(folder)
    assert keep_layout(folder, tmp_path / "images") == digest
    assert oci.verify(tmp_path / "images", digest).digest == digest

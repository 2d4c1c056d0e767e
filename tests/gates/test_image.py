"""Image: each thing that an image must not be is one problem, and the largest parts of one that is too large are named."""

from __future__ import annotations

from typing import Any

import pytest

from gates.samples import ask, image


def check(options: dict[str, Any] | None = None, **changes: Any) -> Any:
    return ask("image", {"image.json": image(**changes)}, **(options or {}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": ""}, "runs as root"), ({"user": "root:root"}, "runs as root"), ({"user": "0"}, "runs as root"),
        ({"user": "00:1"}, "runs as root"), ({"shells": ["/bin/sh", "/bin/bash"]}, "has a shell: /bin/sh"),
        ({"labels": {"org.opencontainers.image.revision": ""}}, "has no label"), ({"healthcheck": None}, "has no HEALTHCHECK"),
        ({"healthcheck": ["NONE"]}, "has no HEALTHCHECK"),
        ({"healthcheck": []}, "has no HEALTHCHECK"), ({"digests": ["sha256:" + "ab" * 32]}, "two builds must be compared"),
        ({"digests": ["sha256:" + "ab" * 32, "sha256:" + "cd" * 32]}, "not reproducible"), ({"bytes": 500_000_000}, "too large"),
        ({"bytes": 0}, "0 bytes: the build left no image"),
    ],
)  # fmt: skip
def test_one_fault_is_named(changes: dict[str, Any], words: str) -> None:
    verdict = check(**changes)
    assert verdict.result == "fail"
    assert any(words in finding for finding in verdict.findings)


def test_the_five_largest_layers_and_packages_are_named() -> None:
    layers = [{"digest": f"sha256:{n}", "bytes": n * 10**6, "command": f"RUN {n}"} for n in range(100, 108)]
    verdict = check(bytes=800_000_000, layers=layers, packages=[{"name": "torch", "bytes": 4e8}])
    assert [line for line in verdict.findings if line.startswith("layer")] == [
        f"layer {n}.0 MB: RUN {n}" for n in (107, 106, 105, 104, 103)
    ]
    assert "package 400.0 MB: torch" in verdict.findings


def test_what_is_not_demanded_is_not_looked_at() -> None:
    options = {"non_root": False, "no_shell": False, "labels": [], "healthcheck": False, "reproducible": False}
    assert ask("image", {"image.json": {"bytes": 10}}, **options).passed


@pytest.mark.parametrize(
    "changes",
    [{"bytes": "1"}, {"user": None}, {"shells": "sh"}, {"shells": None}, {"labels": []},
     {"labels": {"org.opencontainers.image.created": True, "org.opencontainers.image.revision": "1"}},
     {"digests": ["latest", "latest"]}],
)  # fmt: skip
def test_a_description_of_another_shape_is_an_error(changes: dict[str, Any]) -> None:
    assert check(**changes).result == "error"


@pytest.mark.parametrize(("options", "result"), [({}, "fail"), ({"not_built": "warn"}, "pass")])
def test_an_image_that_was_not_built_passes_only_where_the_file_allows_it_and_says_so(
    options: dict[str, str], result: str
) -> None:
    verdict = ask("image", {"image.json": {"name": "backend", "not_built": "buildah is not installed"}}, **options)
    assert verdict.result == result
    assert "buildah is not installed" in verdict.message
    assert ("NOT CHECKED" in verdict.message) == (result == "pass")
    assert verdict.unchecked


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, "< 500MB, not root, no shell, 2 labels, a health check, reproducible"),
        ({"non_root": False}, "< 500MB, no shell, 2 labels, a health check, reproducible"),
        ({"no_shell": False}, "< 500MB, not root, 2 labels, a health check, reproducible"),
        ({"labels": []}, "< 500MB, not root, no shell, a health check, reproducible"),
        ({"healthcheck": False}, "< 500MB, not root, no shell, 2 labels, reproducible"),
        ({"reproducible": False}, "< 500MB, not root, no shell, 2 labels, a health check"),
    ],
)
def test_the_limit_names_what_the_pipeline_demands(options: dict[str, Any], limit: str) -> None:
    verdict = ask("image", {"image.json": image()}, **options)
    assert (verdict.result, verdict.limit, verdict.measured) == ("pass", limit, "88.5 MB, no problem")
    assert verdict.message == "backend meets every requirement"


def test_what_was_measured_counts_the_problems_and_a_user_that_is_no_text_is_named() -> None:
    verdict = ask("image", {"image.json": image(user="root", shells=["/bin/sh"])})
    assert (verdict.result, verdict.measured) == ("fail", "88.5 MB, 2 problems")
    assert ask("image", {"image.json": image(user=0)}).message == "image.json: user is 0, not a text"

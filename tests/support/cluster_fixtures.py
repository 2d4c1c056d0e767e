"""The fixtures of tests that are marked ``kubernetes``, wherever they lie (tests/conftest.py)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dawsos.model.release import BuiltImage, Release
from support import cluster as existing
from support.cluster import Cluster, Gateway
from support.oci import given, tiny_release
from support.own_cluster import WANTED, own_cluster, reason_against
from support.tool_image import VARIABLE as TOOL_IMAGE
from support.tool_image import tool_image as given_tool


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that ``DAWSOS_TEST_CLUSTER`` describes, else one of the tests' own, up for the whole session."""
    if os.environ.get(existing.VARIABLE):
        with pytest.MonkeyPatch.context() as patch:
            found = existing.cluster()
            patch.setenv("KUBECONFIG", str(found.kubeconfig))
            yield found
        return
    against = reason_against()
    if against and os.environ.get(WANTED):
        pytest.fail(f"no cluster: {against}")
    if against:
        pytest.skip(f"no cluster: {against}")
    with own_cluster() as made:
        yield made


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, deleted at its end."""
    yield from _namespace(cluster)


@pytest.fixture(scope="module")
def module_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for all tests of a module, deleted at the end."""
    yield from _namespace(cluster)


def _namespace(cluster: Cluster) -> Iterator[str]:
    name = f"dawsos-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def gateway(cluster: Cluster) -> Gateway:
    """Contour's gateway, with the addresses of its listeners."""
    if "contour" not in cluster.gateways:
        pytest.skip("the cluster has no gateway `contour`")
    return cluster.gateways["contour"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Release]:
    """Return what makes a release of support/tiny_service.py with its image built, for example ``tiny("text", FAIL=0.05)``."""
    folder = tmp_path_factory.mktemp("tiny")
    return lambda text, **faults: tiny_release(folder, text, **faults)


@pytest.fixture(scope="session")
def delivered(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[BuiltImage], str]:
    """Return what gives an image to the cluster and returns its name there."""
    if not cluster.imports:
        pytest.skip("the cluster says no command that imports images")
    folder: Path = tmp_path_factory.mktemp("delivered")
    return lambda image: given(cluster, image, folder)


@pytest.fixture(scope="session")
def tool_image(cluster: Cluster) -> Iterator[str]:
    """The name of the tool's image, which the nodes have: of the guardian, and of what puts faults before a canary."""
    with pytest.MonkeyPatch.context() as patch:
        found = given_tool(cluster)
        patch.setenv(TOOL_IMAGE, found)
        yield found

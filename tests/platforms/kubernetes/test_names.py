"""The paths of objects, as the API server wants them."""

from __future__ import annotations

from dawsos.platforms.kubernetes.names import Paths


def test_a_path_names_the_kind_the_object_and_its_part() -> None:
    paths = Paths("production")
    assert paths.of("pods") == "/api/v1/namespaces/production/pods"
    assert paths.of("deployments", "a", "scale") == "/apis/apps/v1/namespaces/production/deployments/a/scale"
    assert paths.of("httproutes", "a/b") == "/apis/gateway.networking.k8s.io/v1/namespaces/production/httproutes/a%2Fb"

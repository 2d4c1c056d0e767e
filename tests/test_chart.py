"""The chart of the service: its schema refuses nonsense, and what helm renders keeps the promises of docs/chart.md.

`tests/kubernetes/test_chart.py` installs it on a cluster.  Helm is the user's program; without one on PATH what needs it is skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

CHART = Path(__file__).parents[1] / "charts" / "dawsos"
DIGEST = "sha256:" + "1" * 64
TWO_RELEASES: dict[str, Any] = {
    "stable": "a1",
    "canary": "b2",
    "deployments": {
        "a1": {
            "images": {"backend": f"dawsos-backend@{DIGEST}", "worker": f"dawsos-worker@{DIGEST}"},
            "release": "d1",
            "commit": "c1",
            "replicas": 3,
            "workers": True,
            "env": {"COLOUR": "blue"},
        },
        "b2": {"images": {"shop": f"shop@{DIGEST}"}, "release": "d2", "commit": "c2", "replicas": 1, "workers": False},
    },
}
EVERYTHING = {
    "image": {"tag": "abc"},
    "embedded": {"postgres": True, "redis": True},
    "standIns": {"outside": True},
    "route": {"gateway": {"name": "public"}, "hostnames": ["api.example.com"]},
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "config": {"RATE_LIMIT_PER_MINUTE": 1000000},
}
Manifests = list[dict[str, Any]]
Render = Callable[..., Manifests]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over``, as helm lays one over the other."""
    both = {**base, **over}
    shared = (key for key in over if isinstance(base.get(key), dict) and isinstance(over[key], dict))
    return both | {key: merged(base[key], over[key]) for key in shared}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((CHART / "values.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(found)
    return found


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return what ``helm template`` makes of values, as documents."""
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not installed: the chart was not rendered")
    folder = tmp_path_factory.mktemp("values")

    def documents(given: dict[str, Any], *options: str) -> Manifests:
        file = folder / "values.json"
        file.write_text(json.dumps(given))
        argv = [
            helm,
            "template",
            "dawsos-staging",
            str(CHART),
            "--namespace",
            "staging",
            "--values",
            str(file),
            *options,
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise ValueError(done.stderr)
        return [each for each in YAML(typ="safe").load_all(done.stdout) if each]

    return documents


def test_the_defaults_and_what_the_tool_writes_are_valid(values: dict[str, Any], schema: dict[str, Any]) -> None:
    for given in ({}, TWO_RELEASES, EVERYTHING):
        jsonschema.validate(merged(values, given), schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 0),
        ("replicas", "two"),
        ("replicas", 2.5),
        ("image.tag", "a/b"),
        ("image.digest", "sha256:12"),
        ("image.pullPolicy", "Sometimes"),
        ("image.repositry", "x"),
        ("environment", "Staging!"),
        ("environment", ""),
        ("secret", {"JWT_SECRET": "x"}),
        ("secrets", {"JWT_SECRET": "x"}),
        ("canary", {"enabled": True}),
        ("canary", "none"),
        ("deployments", {"a1": {}}),
        ("deployments", {"a1": {"images": {}}}),
        ("deployments", {"A_1": {"images": {"backend": "x"}}}),
        ("deployments", {"a1": {"images": {"backend": "x@sha256:1"}}}),
        ("deployments", {"a1": {"images": {"backend": "x"}, "weight": 5}}),
        ("backend.port", 99999),
        ("backend.health", "health"),
        ("worker.replicas", -1),
        ("migrations.command", []),
        ("nightly.schedule", "at midnight"),
        ("ledger.kind", "disk"),
        ("ledger.kind", "existing"),
        ("ledger.claim", "a-claim"),
        ("ledger.size", "much"),
        ("ledger.accessMode", "ReadOnlyMany"),
        ("drainSeconds", 0),
        ("graceSeconds", "20s"),
        ("route.hostnames", ["https://api.example.com"]),
        ("route.weights", [95, 5]),
        ("podDisruptionBudget.maxUnavailable", 0),
        ("podDisruptionBudget.maxUnavailable", "100%"),
        ("autoscaling.minReplicas", 0),
        ("networkPolicy.from", [{}]),
        ("embedded.postgres", "yes"),
        ("postgres.user", 0),
        ("user", 0),
        ("config", {"NOT A NAME": "x"}),
    ],
)
def test_nonsense_is_refused(values: dict[str, Any], schema: dict[str, Any], path: str, value: Any) -> None:
    given: Any = value
    for key in reversed(path.split(".")):
        given = {key: given}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged(values, given), schema)


def test_no_template_has_a_weight_or_a_secret() -> None:
    text = "\n".join(re.sub(r"(?s){{-? */\*.*?\*/ *-?}}|#.*?$", "", path.read_text()) for path in templates())
    assert "kind: HTTPRoute" in text
    assert not re.search(r"\bweight:", text)
    assert "kind: Secret" not in text


def templates() -> list[Path]:
    return sorted((CHART / "templates").iterdir())


def named(manifests: Manifests, kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pods(manifests: Manifests) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object that has pods, and its pod template."""
    for each in manifests:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield f"{each['kind']} {each['metadata']['name']}", template


def test_the_plain_command_makes_two_pods_of_the_deployment_that_the_request_names(render: Render) -> None:
    made = render({}, "--set", "image.tag=3f2a91c", "--set", "environment=staging", "--set", "replicas=2")
    backend = named(made, "Deployment", "dawsos-backend")
    assert backend["spec"]["replicas"] == 2
    (container,) = backend["spec"]["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("backend", "dawsos-backend:3f2a91c")
    assert backend["metadata"]["labels"]["dawsos.dev/deployment"] == "main"
    assert backend["spec"]["template"]["metadata"]["labels"]["app"] == "dawsos-backend"
    # The image knows its commit.  A variable would still tell the old one after `kubectl set image`.
    assert "GIT_SHA" not in {each["name"] for each in container["env"]}
    assert named(made, "Service", "dawsos-stable")["spec"]["selector"]["dawsos.dev/deployment"] == "main"
    assert named(made, "Service", "dawsos-canary")["spec"]["selector"]["dawsos.dev/deployment"] == "none"


def test_a_tag_of_digits_stays_what_it_is(render: Render) -> None:
    for made in (render({}, "--set", "image.tag=1234567"), render({"image": {"tag": 12345678}})):
        image = named(made, "Deployment", "dawsos-backend")["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image in ("dawsos-backend:1234567", "dawsos-backend:12345678")


def test_each_release_has_its_deployment_and_the_services_select_them(render: Render) -> None:
    made = render(TWO_RELEASES)
    stable, canary = (named(made, "Deployment", f"dawsos-backend-{each}") for each in ("a1", "b2"))
    assert (stable["spec"]["replicas"], canary["spec"]["replicas"]) == (3, 1)
    assert stable["metadata"]["annotations"] == {"dawsos.dev/release": "d1", "dawsos.dev/commit": "c1"}
    (container,) = stable["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in container["env"]}
    assert (given["DEPLOYMENT_ID"], given["GIT_SHA"], given["COLOUR"]) == ("a1", "c1", "blue")
    assert canary["spec"]["template"]["spec"]["containers"][0]["image"] == f"shop@{DIGEST}"
    assert [each["metadata"]["name"] for each in made if each["kind"] == "Deployment" and "worker" in each["metadata"]["name"]] == [
        "dawsos-worker-a1"
    ]  # fmt: skip
    for role, name in (("stable", "a1"), ("canary", "b2")):
        service = named(made, "Service", f"dawsos-{role}")
        assert service["metadata"]["labels"]["dawsos.dev/role"] == role
        assert service["spec"]["selector"]["dawsos.dev/deployment"] == name
        assert (
            service["spec"]["selector"].items()
            <= named(made, "Deployment", f"dawsos-backend-{name}")["spec"]["template"]["metadata"]["labels"].items()
        )
    # The tool runs these itself.
    assert not [each for each in made if each["kind"] == "Job"]


def test_an_environment_without_a_release_has_services_that_select_nobody(render: Render) -> None:
    made = render({"stable": "none", "embedded": {"postgres": True}})
    assert not [each for each in made if each["kind"] in ("Deployment", "Job", "CronJob")]
    assert named(made, "Service", "dawsos-stable")["spec"]["selector"]["dawsos.dev/deployment"] == "none"
    assert named(made, "StatefulSet", "dawsos-postgres")


def test_every_pod_is_restricted_reads_only_and_has_no_token(render: Render) -> None:
    for given in (EVERYTHING, TWO_RELEASES, EVERYTHING | {"embedded": {"postgres": False, "redis": False}}):
        for name, template in pods(render(given)):
            spec = template["spec"]
            assert spec["automountServiceAccountToken"] is False, name
            assert spec["serviceAccountName"] != "default", name
            assert spec["securityContext"]["runAsNonRoot"] is True, name
            assert spec["securityContext"]["runAsUser"] > 0, name
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            for container in spec["containers"] + spec.get("initContainers", []):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
                }, name  # fmt: skip
                assert container["resources"]["limits"]["memory"], name


def test_the_guardian_may_change_one_lease_and_one_route_and_is_restricted(render: Render) -> None:
    assert not [each for each in render({"image": {"tag": "x"}}) if "guardian" in each["metadata"]["name"]]
    made = render({"image": {"tag": "x"}, "guardian": {"enabled": True}})
    assert named(made, "Role", "dawsos-guardian")["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["dawsos-staging-rollout"],
            "verbs": ["get", "update"],
        },
        {
            "apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "resourceNames": ["dawsos"],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]  # fmt: skip
    spec = named(made, "Deployment", "dawsos-guardian")["spec"]["template"]["spec"]
    # The only pod with a token: it talks to the API server.
    assert (spec["automountServiceAccountToken"], spec["serviceAccountName"]) == (True, "dawsos-guardian")
    assert spec["securityContext"]["runAsNonRoot"] is True
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "--release=dawsos-staging" in container["args"]


def test_pods_leave_when_nobody_sends_any_more(render: Render) -> None:
    backend = named(
        render({"image": {"tag": "x"}, "drainSeconds": 7, "graceSeconds": 11}), "Deployment", "dawsos-backend"
    )
    assert backend["spec"]["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec = backend["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 18
    (container,) = spec["containers"]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}


def test_migrations_and_seed_come_before_pods_are_replaced(render: Render) -> None:
    made = render({"image": {"tag": "x"}, "migrations": {"secret": "owner"}})
    migrate, seed = (named(made, "Job", f"dawsos-{each}") for each in ("migrate", "seed"))
    notes = [each["metadata"]["annotations"] for each in (migrate, seed)]
    assert [each["helm.sh/hook"] for each in notes] == ["pre-install,pre-upgrade"] * 2
    assert [each["helm.sh/hook-weight"] for each in notes] == ["0", "1"]
    secrets = [
        [one["secretRef"]["name"] for one in each["spec"]["template"]["spec"]["containers"][0]["envFrom"]]
        for each in (migrate, seed)
    ]
    assert secrets == [["dawsos-staging-env", "owner"], ["dawsos-staging-env"]]


def test_the_first_install_with_its_own_postgres_prepares_it_beside_the_pods(render: Render) -> None:
    made = render(EVERYTHING)
    prepare = named(made, "Job", "dawsos-prepare")["spec"]["template"]["spec"]
    assert [each["command"][-2:] for each in prepare["initContainers"] + prepare["containers"]] == [
        ["app.migrate", "up"], ["-m", "app.seed"]
    ]  # fmt: skip
    assert named(made, "Job", "dawsos-migrate")["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert not [each for each in render(EVERYTHING, "--is-upgrade") if each["metadata"]["name"] == "dawsos-prepare"]


def test_the_night_is_one_command_at_a_time_with_the_image_of_stable(render: Render) -> None:
    night = named(render(TWO_RELEASES), "CronJob", "dawsos-nightly")["spec"]
    assert (night["concurrencyPolicy"], night["timeZone"]) == ("Forbid", "Etc/UTC")
    (container,) = night["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python3", "-P", "-m", "jobs.nightly"]
    assert container["image"] == f"dawsos-backend@{DIGEST}"


def test_the_route_leads_to_stable_alone(render: Render) -> None:
    route = named(render(EVERYTHING), "HTTPRoute", "dawsos")["spec"]
    (rule,) = route["rules"]
    assert rule["backendRefs"] == [{"name": "dawsos-stable", "port": 80}]
    assert route["parentRefs"] == [{"name": "public", "namespace": "staging"}]
    assert not [each for each in render({"image": {"tag": "x"}}) if each["kind"] == "HTTPRoute"]


def test_no_password_is_in_what_helm_keeps(render: Render) -> None:
    made = render(EVERYTHING)
    assert "Secret" not in {each["kind"] for each in made}
    backend = named(made, "Deployment", "dawsos-backend")["spec"]["template"]["spec"]["containers"][0]
    given = {each["name"]: each for each in backend["env"]}
    assert (
        given["DATABASE_URL"]["value"] == "postgresql://dawsos_app:$(POSTGRES_APP_PASSWORD)@dawsos-postgres:5432/dawsos"
    )
    assert given["POSTGRES_APP_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "dawsos-staging-env"
    redis = named(made, "Deployment", "dawsos-redis")["spec"]["template"]["spec"]["containers"][0]
    assert redis["command"] == ["redis-server", "/config/redis.conf"]


def test_another_small_service_needs_only_values(render: Render) -> None:
    small = {
        "fullnameOverride": "shop",
        "image": {"repository": "shop", "tag": "1"},
        "backend": {"command": ["/shop"], "args": ["serve"], "port": 9000, "health": "/", "ready": "", "metrics": ""},
        "ledger": {"kind": "none"},
        **{part: {"enabled": False} for part in ("worker", "migrations", "seed", "nightly")},
    }
    made = render(small)
    assert {each["kind"] for each in made} == {
        "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"
    }  # fmt: skip
    (container,) = named(made, "Deployment", "shop-backend")["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["/shop"], ["serve"])
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": "http"}
    assert {each["name"]: each.get("value") for each in container["env"]}["PORT"] == "9000"


def test_values_that_cannot_work_together_say_what_to_set(render: Render) -> None:
    with pytest.raises(ValueError, match=r"image\.tag and image\.digest are empty: .*--set image.tag="):
        render({})
    with pytest.raises(ValueError, match=r"worker\.image has neither tag nor digest"):
        render({"image": {"digest": DIGEST}})
    with pytest.raises(ValueError, match='canary is "c3", and there is no such deployment: give one of a1, b2'):
        render(TWO_RELEASES | {"canary": "c3"})
    with pytest.raises(ValueError, match='stable and canary are both "a1"'):
        render(TWO_RELEASES | {"canary": "a1"})
    with pytest.raises(ValueError, match=r"autoscaling\.minReplicas is 20, more than maxReplicas 10"):
        render({"image": {"tag": "x"}, "autoscaling": {"minReplicas": 20}})
    with pytest.raises(ValueError, match=r"autoscaling needs backend\.resources\.requests\.cpu"):
        render(
            {
                "image": {"tag": "x"},
                "autoscaling": {"enabled": True},
                "backend": {"resources": {"requests": {"cpu": None}}},
            }
        )


def test_a_ledger_on_one_node_keeps_its_pods_together(render: Render) -> None:
    made = render({"image": {"tag": "x"}, "ledger": {"accessMode": "ReadWriteOnce"}})
    assert named(made, "PersistentVolumeClaim", "dawsos-ledger")["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep"
    }
    together = [
        name for name, template in pods(made)
        if template["spec"].get("affinity") and template["metadata"]["labels"]["dawsos.dev/ledger"] == "true"
    ]  # fmt: skip
    assert together == ["Deployment dawsos-backend", "Deployment dawsos-worker", "CronJob dawsos-nightly"]

"""The Job of a conductor has the key and the variables by reference only, little rights, and the files of the commit with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dawsos.model.cluster import InCluster
from dawsos.platforms.contract import Handed
from dawsos.platforms.kubernetes.job_objects import (
    PART,
    conducting_job,
    kubeconfig,
    pack_of,
    pod_template,
    source_parts,
)
from dawsos.platforms.kubernetes.target import Target

RUN = "20260301-120000-c0ffee0-aa"
TARGET = Target("dawsos", "production", "dawsos-prod-with-a-name-that-is-rather-long", Path("chart"), secret="prod-env")
SETTINGS = InCluster(image="registry.example.org/dawsos@sha256:1", service_account="dawsos", secret="job-key")


def handed(pack: bytes = b"pack") -> Handed:
    return Handed(RUN, "c" * 40, pack, "backend/", "PUBLIC")


def test_the_key_and_the_variables_come_from_secrets() -> None:
    job = conducting_job(TARGET, SETTINGS, ("POLYGON_KEY",), handed())
    spec = job["spec"]["template"]["spec"]
    (receive,), (conduct,) = spec["initContainers"], spec["containers"]
    assert conduct["envFrom"] == [{"secretRef": {"name": "job-key"}}]
    reference = {"name": "prod-env", "key": "POLYGON_KEY"}
    assert {"name": "POLYGON_KEY", "valueFrom": {"secretKeyRef": reference}} in conduct["env"]
    assert {"name": "DAWSOS_TRUSTED_KEYS", "value": "PUBLIC"} in conduct["env"]
    assert conduct["command"][-3:] == ["resume", "--here", RUN]
    assert conduct["workingDir"] == "/work/project/backend"
    # What unpacks the files needs no secret.
    assert (receive["env"], receive["envFrom"]) == ([], [])
    assert receive["command"][-4:] == ["--job", job["metadata"]["name"], "--commit", "c" * 40]


def test_the_pod_is_restricted_and_has_the_rights_of_the_account() -> None:
    spec = pod_template(TARGET, SETTINGS, ())["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("dawsos", True)
    assert spec["securityContext"]["runAsNonRoot"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_an_end_that_is_known_is_not_tried_again_and_the_names_fit() -> None:
    job = conducting_job(TARGET, SETTINGS, (), handed())
    assert len(job["metadata"]["name"]) <= 63
    rule = job["spec"]["podFailurePolicy"]["rules"][0]
    assert (rule["action"], set(rule["onExitCodes"]["values"])) == ("FailJob", {1, 2, 3, 4})
    assert job["spec"]["suspend"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART])
def test_the_files_of_the_commit_come_in_parts_that_go_with_the_job(size: int) -> None:
    pack = bytes(number % 251 for number in range(size))
    job = conducting_job(TARGET, SETTINGS, (), handed(pack))
    job["metadata"]["uid"] = "uid"
    parts = source_parts(job, handed(pack))
    assert all(part["metadata"]["ownerReferences"][0]["uid"] == "uid" for part in parts)
    assert pack_of(list(reversed(parts))) == pack
    assert len(json.dumps(parts[0])) < 1_000_000
    assert pack_of(parts[1:]) is None
    assert pack_of([]) is None


def test_the_kubeconfig_has_the_context_of_the_environment() -> None:
    made = kubeconfig("dawsos", "production", "https://10.0.0.1:443", "/token")
    assert [one["name"] for one in made["contexts"]] == ["dawsos"]
    assert made["users"][0]["user"] == {"tokenFile": "/token/token"}

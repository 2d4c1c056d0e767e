"""The rights that are asked for are those that deploy/kubernetes/rbac.yaml gives, and no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dawsos.platforms.kubernetes.access import (
    GUARDED,
    RIGHTS,
    Missing,
    gives,
    guardian_manifests,
    manifests,
    missing,
    needed,
    refusal,
)
from fakes import VirtualClock
from support.workloads import PaperCluster

RBAC = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes" / "rbac.yaml"


def test_all_rights_are_there_when_all_are_allowed() -> None:
    assert asyncio.run(missing(PaperCluster(VirtualClock()), "prod", "gw")) == []  # type: ignore[arg-type]


def test_every_missing_right_is_listed_at_once_with_what_needs_it() -> None:
    cluster = PaperCluster(VirtualClock())
    cluster.refused = {("prod", "get", "pods/log"), ("prod", "create", "jobs"), ("gw", "get", "pods/proxy")}
    found = asyncio.run(missing(cluster, "prod", "gw"))  # type: ignore[arg-type]
    assert {(one.namespace, one.verb, one.resource) for one in found} == cluster.refused
    text = refusal(found, "ctx").message
    assert "pods/log in prod: get (what a release's commands print)" in text
    assert "pods/proxy in gw: get" in text


def test_what_the_rules_of_a_namespace_give_is_not_asked_for_one_by_one() -> None:
    cluster = PaperCluster(VirtualClock())
    cluster.given = [
        rule for each in manifests("prod", "gw", "dawsos") if each["kind"] == "Role" for rule in each["rules"]
    ]
    assert asyncio.run(missing(cluster, "prod", "gw")) == []  # type: ignore[arg-type]
    assert cluster.asked == []
    # What no rule gives may be allowed by another authorizer, or not.
    cluster.given = [rule for rule in cluster.given if rule["apiGroups"] != ["batch"]]
    cluster.refused = {("prod", "create", "jobs")}
    (one,) = asyncio.run(missing(cluster, "prod", "gw"))  # type: ignore[arg-type]
    assert (one.verb, one.resource) == ("create", "jobs")
    assert {resource for _, _, resource in cluster.asked} == {"jobs", "cronjobs"}


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ({}, True),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": ["apps"]}, False),
        ({"resources": ["pods"]}, False),
        ({"verbs": ["list"]}, False),
        # One that names its objects gives nothing on the others.
        ({"resourceNames": ["mine"]}, False),
    ],
)
def test_a_rule_gives_what_it_names(rule: dict[str, list[str]], given: bool) -> None:
    whole = {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"], **rule}
    assert gives([whole], "", "get", "pods/log") is given


def test_a_guardian_needs_more_rights_and_is_asked_for_only_where_the_chart_makes_one() -> None:
    cluster = PaperCluster(VirtualClock())
    cluster.refused = {("prod", "create", "events"), ("prod", "patch", "rolebindings")}
    assert asyncio.run(missing(cluster, "prod", "gw")) == []  # type: ignore[arg-type]
    found = asyncio.run(missing(cluster, "prod", "gw", (*RIGHTS, *GUARDED)))  # type: ignore[arg-type]
    assert {(one.namespace, one.verb, one.resource) for one in found} == cluster.refused


def test_the_guardians_manifest_gives_exactly_what_it_needs() -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(RBAC.with_name("rbac-guardian.yaml").read_text()))
    assert documents == guardian_manifests("production", "dawsos")
    verbs = {(verb, resource) for _, _, verb, resource in needed("production", None, GUARDED)}
    assert {("create", "roles"), ("create", "rolebindings"), ("create", "events")} <= verbs


def test_rights_at_the_gateway_are_asked_only_where_its_pods_are_read_through_the_api() -> None:
    assert {where for _, where, _, _ in needed("prod", None)} == {"prod"}
    assert {where for _, where, _, _ in needed("prod", "gw")} == {"prod", "gw"}


def test_verbs_of_one_resource_stand_in_one_line() -> None:
    lacking = [Missing("prod", verb, "jobs", "commands") for verb in ("get", "create")]
    assert refusal(lacking, "c").message.splitlines()[1:] == ["  jobs in prod: get, create (commands)"]
    assert str(lacking[0]) == "get jobs in prod (commands)"


def test_the_manifest_gives_exactly_what_is_asked_for() -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(RBAC.read_text()))
    assert documents == manifests("production", "projectcontour", "dawsos")
    given = {
        (document["metadata"]["namespace"], verb, resource)
        for document in documents
        if document["kind"] == "Role"
        for rule in document["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    asked = {(where, verb, resource) for _, where, verb, resource in needed("production", "projectcontour")}
    assert given == asked
    assert not any("*" in verb or "*" in resource for _, verb, resource in given)

"""Names that must exist, ids that must differ, needs that must not go in circles: each with its place in the file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from config.test_load import SMALL, load
from dawsos.config.semantics import semantic_problems
from dawsos.model.exports import Exports
from dawsos.model.pipeline import Pipeline
from dawsos.model.policy import Compare

GOOD = load(SMALL)


def changed(key: str, **changes: Any) -> Pipeline:
    """Return the small pipeline with one part of it changed, whole or not."""
    return GOOD.model_copy(update={key: getattr(GOOD, key).model_copy(update=changes)})


def stages(**needs: str) -> Pipeline:
    made = [GOOD.stages[0].model_copy(update={"id": one, "needs": tuple(needs[one].split())}) for one in needs]
    return GOOD.model_copy(update={"stages": tuple(made)})


def told(pipeline: Pipeline) -> list[tuple[str, str]]:
    return [(".".join(map(str, place)), message) for place, message in semantic_problems(pipeline)]


def test_a_good_one_has_no_problems() -> None:
    assert told(GOOD) == []


@pytest.mark.parametrize(
    ("needs", "problems"),
    [
        ({"a": "b", "b": ""}, []),
        ({"lint": "", "unit": "lnt"}, [("stages.1.needs.0", "unknown stage 'lnt'; did you mean 'lint'?")]),
        ({"lint": "", "unit": "lint zzz"}, [("stages.1.needs.1", "unknown stage 'zzz'")]),
        ({"a": "a"}, [("stages.0.needs", "the needs go in a circle: a -> a")]),
    ],
)
def test_needs_name_stages(needs: dict[str, str], problems: list[tuple[str, str]]) -> None:
    assert told(stages(**needs)) == problems


def test_a_circle_is_shown_along_its_way() -> None:
    ((place, message),) = told(stages(a="c", b="a", c="b", d="a"))
    assert place in ("stages.0.needs", "stages.1.needs", "stages.2.needs")
    way = message.removeprefix("the needs go in a circle: ").split(" -> ")
    assert way[0] == way[-1]
    assert sorted(way[1:]) == ["a", "b", "c"]
    # Along the arrows, each stage is needed by the one before it, or each needs it: one and the same direction.
    needs = {"a": "c", "b": "a", "c": "b"}
    steps = list(pairwise(way))
    assert all(needs[one] == other for one, other in steps) or all(needs[other] == one for one, other in steps)


def test_an_id_is_used_once_and_a_toolchain_is_known() -> None:
    twice = GOOD.model_copy(update={"stages": (GOOD.stages[0], GOOD.stages[0])})
    assert told(twice) == [("stages.1.id", "the id 'lint' is used twice")]
    stage = GOOD.stages[0].model_copy(update={"toolchain": "backnd"})
    assert told(GOOD.model_copy(update={"stages": (stage,)})) == [
        ("stages.0.toolchain", "unknown toolchain 'backnd'; did you mean 'backend'?")
    ]


def test_jobs_are_known_wherever_they_are_named() -> None:
    assert told(changed("service", before_traffic=("nightly", "nigthly"))) == [
        ("service.before_traffic.1", "unknown job 'nigthly'; did you mean 'nightly'?")
    ]
    drills = {"drills": {"stale": {"job": "other", "env": {}}}}
    with_drill = Pipeline.model_validate({**dict(GOOD), "service": {**GOOD.service.model_dump(), **drills}})
    assert told(with_drill) == [("service.drills.stale.job", "unknown job 'other'")]


@pytest.mark.parametrize(
    ("workers", "problems"),
    [
        ([("a", ["A_PORT"]), ("b", ["B_PORT"])], []),
        ([("a", []), ("a", [])], [("service.workers.1.name", "'a' is used twice")]),
        ([("a", ["A_PORT"]), ("b", ["A_PORT"])], [("service.workers.1.ports", "'A_PORT' is used twice")]),
        ([("a", ["A_PORT", "A_PORT"])], [("service.workers.0.ports", "'A_PORT' is used twice")]),
    ],
)
def test_workers_differ_and_so_do_their_ports(
    workers: list[tuple[str, list[str]]], problems: list[tuple[str, str]]
) -> None:
    made = [{"name": name, "command": "x", "ports": ports} for name, ports in workers]
    service = {**GOOD.service.model_dump(), "workers": made}
    assert told(Pipeline.model_validate({**dict(GOOD), "service": service})) == problems


@pytest.mark.parametrize("part", ["jobs", "verify", "images"])
def test_what_is_named_in_the_service_is_named_once(part: str) -> None:
    one = {"name": "a", "run": "x"} if part != "images" else {"name": "a", "dockerfile": "D", "base": "localhost/b"}
    service = {**GOOD.service.model_dump(), part: [one, {**one, "name": "b"}, one], "before_traffic": []}
    problems = told(Pipeline.model_validate({**dict(GOOD), "service": service}))
    assert problems == [(f"service.{part}.2.name", "'a' is used twice")]


@pytest.mark.parametrize(
    ("profile", "problems"),
    [
        ({"durations": (1.0, 2.0)}, []),
        ({"durations": (1.0,)}, [("profiles.laptop.durations", "1 durations for a ladder of 2 steps")]),
        ({"check_interval": 0.5}, [("profiles.laptop", "check_interval 0.5 s is shorter than tick 1 s")]),
        (
            {"tick": 90.0},
            [
                ("profiles.laptop", "check_interval 60 s is shorter than tick 90 s"),
                ("profiles.laptop", "tick 90 s is not shorter than lease 15 s, which it renews"),
            ],
        ),
        ({"tick": 15.0}, [("profiles.laptop", "tick 15 s is not shorter than lease 15 s, which it renews")]),
    ],
)
def test_a_profile_fits_the_ladder(profile: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    made = {**dict(GOOD), "profiles": {"laptop": profile}}
    assert told(Pipeline.model_validate(made)) == problems


def test_production_is_no_profile_because_nothing_of_it_would_count() -> None:
    made = Pipeline.model_validate({**dict(GOOD), "profiles": {"production": {"judge": "flagger"}}})
    assert told(made) == [
        ("profiles.production", "production is the rollout as it is written: change it there, or name it otherwise")
    ]


def test_one_stage_rolls_out() -> None:
    """A run takes its release to the users once: the journal has one rollout, and rollback undoes that one."""
    made = [GOOD.stages[0].model_copy(update={"id": one, "uses": "rollout", "environment": "eu"}) for one in ("a", "b")]
    environments = {"eu": GOOD.environments["production"]}
    first, both = ({"stages": tuple(made[:count]), "environments": environments} for count in (1, 2))
    assert told(GOOD.model_copy(update=first)) == []
    ((place, message),) = told(GOOD.model_copy(update=both))
    assert place == "stages.1.uses"
    assert message.startswith("'a' uses rollout too: a run takes its release to the users once")


def test_an_environment_is_known_wherever_it_is_named() -> None:
    stage = GOOD.stages[0].model_copy(update={"environment": "stage"})
    wrong = {"profiles": {"laptop": {"environments": {"prod": {"replicas": 1}}}}, "environments": {}}
    made = Pipeline.model_validate({**dict(GOOD), **wrong}).model_copy(update={"stages": (stage,)})
    assert told(made) == [
        ("stages.0.environment", "unknown environment 'stage'; write environments.stage"),
        ("profiles.laptop.environments.prod", "unknown environment 'prod'; write environments.prod"),
    ]


def with_stand_ins(**changes: Any) -> Pipeline:
    """Return the small pipeline with a stand-in of staging, a worker, and other parts changed."""
    made = {
        "stand_ins": {"outside": {"source": "s", "command": "s", "toolchain": "backend", "ports": ["S_PORT"]}},
        "environments": {
            "staging": {"stand_ins": ["outside"], "env": {"URL": "http://h:{S_PORT}/{W_PORT}"}}, "production": {},
        },
        "service": {**GOOD.service.model_dump(), "workers": [{"name": "w", "command": "w", "ports": ["W_PORT"]}]},
    }  # fmt: skip
    return Pipeline.model_validate({**dict(GOOD), **made, **changes})


def stand_in(**changes: Any) -> dict[str, Any]:
    return {"source": "s", "command": "s", "toolchain": "backend", **changes}


def watched(url: str = "https://prometheus.example.org", **more: Any) -> dict[str, Any]:
    return {"observability": {"prometheus": {"url": url, **more}}}


def profile(**changes: Any) -> dict[str, Any]:
    return {"laptop": {"environments": {"production": changes}}}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        (
            {"stand_ins": {"outside": stand_in(toolchain="backnd", ports=["S_PORT"])}},
            [("stand_ins.outside.toolchain", "unknown toolchain 'backnd'; did you mean 'backend'?")],
        ),
        (
            {"stand_ins": {"outside": stand_in(ports=["S_PORT", "W_PORT"]), "mail": stand_in(ports=["S_PORT"])}},
            [
                ("stand_ins.outside.ports.1", "'W_PORT' is a port of the worker 'w' already"),
                ("stand_ins.mail.ports.0", "'S_PORT' is a port of the stand-in 'outside' already"),
            ],
        ),
        (
            {"stand_ins": {"outside": stand_in(ports=["S_PORT"]), "redis": stand_in()}},
            [("stand_ins.redis", "'redis' is a process that every environment may have: name the stand-in otherwise")],
        ),
        (
            {"environments": {"staging": {"stand_ins": ["outsid"]}, "production": {}}},
            [("environments.staging.stand_ins.0", "unknown stand-in 'outsid'; did you mean 'outside'?")],
        ),
        (
            {"profiles": profile(stand_ins=["inside", "outside"])},
            [("profiles.laptop.environments.production.stand_ins.0", "unknown stand-in 'inside'; did you mean 'outside'?")],
        ),
        (
            {"environments": {"staging": {"env": {"URL": "http://h:{S_PORT}"}}, "production": {}}},
            [("environments.staging.env.URL", "no worker, and no stand-in of staging, has the port 'S_PORT'; did you mean 'W_PORT'?")],
        ),
        ({"profiles": profile(stand_ins=["outside"], env={"URL": "h:{S_PORT}"})}, []),
        (
            {"profiles": profile(env={"URL": "h:{S_PORT}"})},
            [(
                "profiles.laptop.environments.production.env.URL",
                "no worker, and no stand-in of production with the profile 'laptop', has the port 'S_PORT'; did you mean 'W_PORT'?",
            )],
        ),
        (
            {"environments": {"staging": {"pass_env": ["KEY"], "env": {"KEY": "x"}}, "production": {}}},
            [("environments.staging.env.KEY", "'KEY' is in pass_env as well: a variable has one value")],
        ),
        (
            {"environments": {"staging": {}, "production": watched(token="KEY")}},
            [(
                "environments.production.observability",
                "only the users' environment is verified, and there is none: no stage uses rollout or deploy",
            )],
        ),
    ],
)  # fmt: skip
def test_stand_ins_and_the_ports_that_variables_name_are_there(
    changes: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    assert told(with_stand_ins(**changes)) == problems


def test_the_key_that_signs_is_passed_to_nothing() -> None:
    key = "DAWSOS_SIGNING_KEY"
    stage = GOOD.stages[0].model_copy(update={"pass_env": ("HOME", key)})
    assert told(GOOD.model_copy(update={"stages": (stage, *GOOD.stages[1:])})) == [
        ("stages.0.pass_env.1", f"{key} is for the tool alone: what it signs must not be able to sign")
    ]
    name, settings = next(iter(GOOD.environments.items()))
    given = {**GOOD.environments, name: settings.model_copy(update={"pass_env": (key,)})}
    assert [place for place, _ in told(GOOD.model_copy(update={"environments": given}))] == [
        f"environments.{name}.pass_env.0"
    ]


def test_what_the_exports_of_ci_services_name_is_there() -> None:
    options = {"profile": "laptp", "environments": {"stagng": {}}, "secrets": ["TOKEN"]}
    exports = Exports.model_validate({"github_actions": options, "gitlab_ci": {"profile": "laptop"}})
    assert told(GOOD.model_copy(update={"exports": exports})) == [
        ("exports.github_actions.profile", "unknown profile 'laptp'; did you mean 'laptop'?"),
        ("exports.github_actions.environments.stagng", "unknown environment 'stagng'; did you mean 'staging'?"),
        ("exports.github_actions.secrets.0", "no stage has 'TOKEN' in pass_env"),
    ]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"environments": {"staging": {}, "production": watched()}}, []),
        (
            {"environments": {"staging": watched(), "production": {}}},
            [("environments.staging.observability", "only the users' environment is verified, and it is production")],
        ),
        (
            {"environments": {"staging": {}, "production": {**watched(token="KEY"), "env": {"KEY": "x"}}}},
            [("environments.production.observability.prometheus.token", "'KEY' is in env as well: keep a token out of files")],
        ),
        (
            {"environments": {"staging": {}, "production": watched(token="DAWSOS_SIGNING_KEY")}},
            [(
                "environments.production.observability.prometheus.token",
                "DAWSOS_SIGNING_KEY is for the tool alone, and sent to nobody",
            )],
        ),
        (
            {"profiles": profile(**watched(token="DAWSOS_SIGNING_KEY"))},
            [(
                "profiles.laptop.environments.production.observability.prometheus.token",
                "DAWSOS_SIGNING_KEY is for the tool alone, and sent to nobody",
            )],
        ),
        ({"profiles": profile(stand_ins=["outside"], **watched("http://127.0.0.1:{S_PORT}"))}, []),
        (
            {"profiles": profile(**watched("http://127.0.0.1:{S_PORT}"))},
            [(
                "profiles.laptop.environments.production.observability.prometheus.url",
                "no worker, and no stand-in of production with the profile 'laptop', has the port 'S_PORT'; did you mean 'W_PORT'?",
            )],
        ),
    ],
    ids=[
        "the users'", "another one", "a token in the file", "the signing key", "the signing key of a profile", "a stand-in that runs",
        "a stand-in that does not",
    ],
)  # fmt: skip
def test_what_observes_an_environment_can_be_asked(changes: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    rollout = {"id": "canary", "uses": "rollout", "environment": "production", "gates": GOOD.stages[0].gates}
    made = dict(with_stand_ins(**changes))
    pipeline = Pipeline.model_validate({**made, "stages": (*GOOD.stages, rollout)})
    assert told(pipeline) == problems


CLUSTER = {"platform": "kubernetes", "context": "c", "namespace": "n", "release": "r", "chart": "charts/x"}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"environments": {"staging": {}, "production": CLUSTER}}, []),
        (
            {"environments": {"staging": {}, "production": {"platform": "kubernetes", "context": "c"}}},
            [("environments.production", "platform kubernetes needs namespace, release, chart as well")],
        ),
        (
            {"environments": {"staging": {}, "production": {"chart": "charts/x"}}},
            [("environments.production.chart", "platform local knows no 'chart': that is for kubernetes")],
        ),
        (
            {"profiles": profile(platform="kubernetes", context="c")},
            [
                (
                    "profiles.laptop.environments.production",
                    "platform kubernetes needs namespace, release, chart as well",
                )
            ],
        ),
        ({"profiles": profile(**CLUSTER)}, []),
        # A profile brings what runs on a cluster to this machine.
        ({"environments": {"staging": {}, "production": CLUSTER}, "profiles": profile(platform="local")}, []),
    ],
)
def test_an_environment_has_what_its_platform_needs(changes: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    rollout = {"id": "canary", "uses": "rollout", "environment": "production", "gates": GOOD.stages[0].gates}
    pipeline = Pipeline.model_validate({**dict(with_stand_ins(**changes)), "stages": (*GOOD.stages, rollout)})
    assert told(pipeline) == problems


IMAGE = {"name": "backend", "dockerfile": "Dockerfile", "base": "localhost/base"}


def on_cluster(**images: Any) -> dict[str, Any]:
    return {"environments": {"staging": {}, "production": {**CLUSTER, "images": {"import": "cat", **images}}}}


@pytest.mark.parametrize(
    ("changes", "service", "problems"),
    [
        (on_cluster(), {"images": [IMAGE]}, []),
        (on_cluster(signed=True), {"images": [IMAGE]}, []),
        (
            on_cluster(),
            {},
            [("environments.production.images", "production runs container images, and service.images names none")],
        ),
        (
            on_cluster(),
            {"images": [IMAGE], "builder": "bundle"},
            [(
                "environments.production.images",
                "production runs container images, and service.builder is bundle, which builds none",
            )],
        ),
        (
            {"profiles": profile(**CLUSTER, images={"import": "cat"})},
            {},
            [(
                "profiles.laptop.environments.production.images",
                "production runs container images, and service.images names none",
            )],
        ),
        (
            {"environments": {"staging": {**CLUSTER, "images": {"import": "cat", "signed": True}}, "production": {}}},
            {"images": [IMAGE]},
            [(
                "environments.staging.images.signed",
                "nothing is signed for staging: only what goes to users has passed all gates",
            )],
        ),
        # A profile brings it to this machine, where no image runs.
        ({**on_cluster(), "profiles": profile(platform="local")}, {"images": [IMAGE]}, []),
    ],
)  # fmt: skip
def test_where_images_run_some_are_built(
    changes: dict[str, Any], service: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    rollout = {"id": "canary", "uses": "rollout", "environment": "production", "gates": GOOD.stages[0].gates}
    made = {**dict(with_stand_ins(**changes)), "stages": (*GOOD.stages, rollout)}
    made["service"] = {**dict(made["service"]), **service}
    assert told(Pipeline.model_validate(made)) == problems


def test_a_difference_is_allowed_on_a_declared_request_only() -> None:
    def with_allow(path: str) -> list[tuple[str, str]]:
        settings = {"requests": [{"path": "/v1/x"}], "allow": [{"path": path, "why": "version 2"}]}
        return told(changed("rollout", compare=Compare.model_validate(settings)))

    assert with_allow("/v1/x") == []
    assert with_allow("/v1/xx") == [
        ("rollout.compare.allow.0.path", "no request is declared for '/v1/xx'; did you mean '/v1/x'?")
    ]

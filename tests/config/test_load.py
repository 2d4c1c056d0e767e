"""What a person may get wrong in pipeline.yaml: each mistake has its own message with the line, and never a traceback."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from io import StringIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dawsos.config.load import load_pipeline
from dawsos.errors import BadInput
from dawsos.gates import GATES, junit, pass_rate
from dawsos.model.pipeline import Pipeline

OPTIONS = {name: kind.options for name, kind in GATES.items()}

SMALL = """\
version: 2
name: demo
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
toolchains:
  backend: {requirements: requirements.txt}
service:
  project: .
  requirements: requirements.txt
  command: python -m demo
  jobs:
    - {name: nightly, run: python -m nightly}
  before_traffic: [nightly]
stages:
  - id: lint
    toolchain: backend
    steps: [{run: "true"}]
    gates: [exit_status]
  - id: unit
    needs: [lint]
    budget: 2m
    steps: [{run: "true"}]
    gates:
      - kind: pass_rate
        reports: junit.xml
        min_rate: 95%
rollout:
  ladder:
    - {weight: 5, duration: 5m}
    - {weight: 100, duration: 5m}
profiles:
  laptop:
    durations: [1s, 1s]
    check_interval: 1s
environments:
  staging: {services: [postgres], env: {COLOUR: red, SIZE: "1"}}
  production: {replicas: 3}
"""


def load(text: str) -> Pipeline:
    return load_pipeline(text, "pipeline.yaml", OPTIONS)


def test_the_small_one_is_good() -> None:
    pipeline = load(SMALL)
    assert [stage.id for stage in pipeline.stages] == ["lint", "unit"]
    assert pipeline.stage("unit").budget == 120
    assert pipeline.policy("laptop").ladder[0].duration == 1
    assert pipeline.policy("production").ladder[0].duration == 300


# (text to replace, with what, line that is blamed, words of the message)
MISTAKES = {
    "unknown key": ("budget: 2m", "budgte: 2m", 20, "unknown key 'budgte'; did you mean 'budget'?"),
    "unknown key of a gate": (
        "min_rate: 95%",
        "min_rate: 95%\n        report: x",
        26,
        "unknown key 'report'; did you mean 'reports'?",
    ),
    "missing key": ("name: demo\n", "", 1, "missing key 'name'"),
    "unknown gate": ("[exit_status]", "[exit_statsu]", 17, "unknown gate 'exit_statsu'; did you mean 'exit_status'?"),
    "no gate": ("[exit_status]", "[]", 14, "a stage needs at least one gate"),
    "gate without kind": (
        "- kind: pass_rate\n        reports",
        "- reports",
        23,
        "a gate is a name, or a mapping with a",
    ),
    "cycle": ("    toolchain: backend", "    needs: [unit]", 15, "the needs go in a circle: lint -> unit -> lint"),
    "unknown need": ("needs: [lint]", "needs: [lintt]", 19, "unknown stage 'lintt'; did you mean 'lint'?"),
    "twice": ("id: unit", "id: lint", 18, "the id 'lint' is used twice"),
    "duration": ("2m", "soon", 20, "'soon' is not a duration; write it like 90s"),
    "no duration": ("2m", "0s", 20, "'0s' must be longer than nothing"),
    "endless duration": ("2m", ".inf", 20, "inf is not a duration"),
    "duration that is no number": ("2m", ".nan", 20, "nan is not a duration"),
    "share": ("error_rate: 1%", "error_rate: 120%", 3, "'120%' is not a share"),
    "weights": ("weight: 5,", "weight: 100,", 26, "ladder weights must increase, got 100 100"),
    "ladder's end": ("weight: 100", "weight: 50", 26, "the ladder must end at 100, got 50"),
    "durations": ("[1s, 1s]", "[1s, 1s, 1s]", 32, "3 durations for a ladder of 2 steps"),
    "check shorter than tick": ("check_interval: 1s", "check_interval: 100ms", 31, "is shorter than tick"),
    "unknown toolchain": ("toolchain: backend", "toolchain: bakend", 15, "unknown toolchain 'bakend'; did you mean"),
    "unknown job": ("[nightly]", "[nightli]", 12, "unknown job 'nightli'; did you mean 'nightly'?"),
    "unknown choice": (
        "    toolchain: backend",
        "    uses: relese",
        15,
        "'relese' is not known; did you mean 'release'?",
    ),
    "empty command": (
        '    steps: [{run: "true"}]\n    gates: [',
        "    steps: [{run: ''}]\n    gates: [",
        16,
        "at least 1",
    ),
    "no steps": ('    steps: [{run: "true"}]\n    gates: [', "    gates: [", 14, "needs at least one step"),
    "not a mapping": (SMALL, "- one\n- two\n", None, "expected one mapping"),
    "empty": (SMALL, "", None, "the file is empty"),
    "tab": ("  project: .", "\tproject: .", 7, "not valid YAML"),
    "key twice": ("name: demo", "name: demo\nname: other", 3, "not valid YAML"),
    "another version": ("version: 2", "version: 7", 1, "7 is not known"),
    "limit of the rollout": (
        "rollout:\n",
        "rollout:\n  p95: 1s\n",
        27,
        "rollout.p95: the limit is slo.warm_p95, which is written once",
    ),
    "error rate of the rollout": (
        "rollout:\n",
        "rollout:\n  error_rate: 1%\n",
        27,
        "the limit is slo.error_rate, which is written once",
    ),
    "replicas of the service": (
        "  command:",
        "  replicas: 2\n  command:",
        9,
        "replicas belong to an environment: environments.NAME.replicas",
    ),
    "variables of the service": (
        "  command:",
        "  env: {A: b}\n  command:",
        9,
        "variables belong to an environment: environments.NAME.env",
    ),
    "services of the service": (
        "  command:",
        "  services: [redis]\n  command:",
        9,
        "services belong to an environment",
    ),
    "unknown objective": (
        "    needs: [lint]",
        '    env: {LIMIT: "{slo.hot_p95}"}',
        19,
        "stages[1].env.LIMIT: unknown objective 'hot_p95'; did you mean 'cold_p95'?",
    ),
    "name of a gate": (
        "[exit_status]",
        "[{kind: exit_status, name: [a]}]",
        17,
        "the name of a gate is a text, not ['a']",
    ),
    "objective with a hyphen": (
        "    needs: [lint]",
        '    env: {LIMIT: "{slo.warm-p95}"}',
        19,
        "stages[1].env.LIMIT: unknown objective 'warm-p95'; did you mean 'warm_p95'?",
    ),
    "unknown environment": (
        "    needs: [lint]",
        "    environment: stagin",
        19,
        "unknown environment 'stagin'; did you mean 'staging'?",
    ),
    "environment that resembles none": (
        "    needs: [lint]",
        "    environment: eu",
        19,
        "unknown environment 'eu'; there are: staging, production",
    ),
    "unknown environment of a profile": (
        "    check_interval: 1s",
        "    environments: {prodution: {replicas: 1}}",
        33,
        "unknown environment 'prodution'; did you mean 'production'?",
    ),
    "unknown key of an environment": (
        "{replicas: 3}",
        "{replica: 3}",
        36,
        "unknown key 'replica'; did you mean 'replicas'?",
    ),
    "unknown platform": (
        "{replicas: 3}",
        "{platform: locl}",
        36,
        "'locl' is not known; did you mean 'local'?",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_its_line_and_its_own_words(name: str) -> None:
    old, new, line, words = MISTAKES[name]
    assert old in SMALL
    with pytest.raises(BadInput) as caught:
        load(SMALL.replace(old, new, 1))
    assert words in caught.value.message
    if line is not None:
        assert caught.value.message.startswith(f"pipeline.yaml:{line}:"), caught.value.message
    assert caught.value.fix


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        load(
            SMALL.replace("budget: 2m", "budget: soon")
            .replace("[exit_status]", "[exit]")
            .replace("name: demo", "nam: a")
        )
    assert [line.split(":")[1] for line in caught.value.message.splitlines()] == ["2", "17", "20"]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value below ``value``."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [at, *(place for key, item in children for place in places(item, (*at, key)))]
        if at
        else [place for key, item in children for place in places(item, (key,))]
    )


DOCUMENT = YAML(typ="safe").load(SMALL)
PLACES = places(DOCUMENT)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1s", "5%", "lint"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


# (place, replace or delete or add, junk)
Change = tuple[tuple[Any, ...], str, Any]


def changed(document: Any, changes: Iterable[Change]) -> Any:
    """Return a copy of ``document`` in which each change puts junk at its place, deletes it or adds a key to it."""
    made = copy.deepcopy(document)
    for place, how, junk in changes:
        parent = made
        try:
            for part in place[:-1]:
                parent = parent[part]
            if how == "delete":
                del parent[place[-1]]
            elif how == "add" and isinstance(parent[place[-1]], dict):
                parent[place[-1]]["extra"] = junk
            else:
                parent[place[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took the place away.
    return made


def dumped(document: Any) -> str:
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(document, stream)
    return stream.getvalue()


def loaded_or_refused(text: str) -> None:
    """Anything but a usable pipeline or a line for each problem is an error of ours."""
    try:
        pipeline = load(text)
    except BadInput as error:
        strange = [line for line in error.message.splitlines() if not line.startswith("pipeline.yaml:")]
        assert not strange
        return
    for name in pipeline.profiles:
        pipeline.policy(name)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(["replace", "delete", "add"]), JUNK), min_size=1, max_size=3
    )
)
def test_whatever_is_written_it_loads_or_is_refused(changes: list[Change]) -> None:
    loaded_or_refused(dumped(changed(DOCUMENT, changes)))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_loads_or_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        load(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.text(alphabet="{}[]:&*!|>'\"%@`#-\t\n ,\x00\ud800x", min_size=1, max_size=4))
def test_any_slip_of_a_key_loads_or_is_refused(at: int, slip: str) -> None:
    loaded_or_refused(SMALL[:at] + slip + SMALL[at + 1 :])


OBJECTIVE = "gates: [{kind: threshold, file: slo.json, path: p95, slo: OF}]"


def limit(text: str, objective: str) -> dict[str, Any]:
    """Return the options of a gate that refers to ``objective`` in the pipeline ``text``."""
    (gate,) = load(text.replace("gates: [exit_status]", OBJECTIVE.replace("OF", objective), 1)).stage("lint").gates
    return gate.written_options


@pytest.mark.parametrize(
    ("objective", "written", "limits"),
    [
        ("cold_p95", "2s", {"max": 2.0, "unit": "s"}),
        ("cold_p95", "900ms", {"max": 0.9, "unit": "s"}),
        ("warm_p95", "1s", {"max": 1.0, "unit": "s"}),
        ("error_rate", "1%", {"max": 0.01}),
        ("error_rate", "0.2%", {"max": 0.002}),
    ],
)
def test_a_gate_has_the_objective_s_number_as_its_limit(objective: str, written: str, limits: dict[str, Any]) -> None:
    text, found = re.subn(rf"{objective}: [^,}}]+", f"{objective}: {written}", SMALL, count=1)
    assert found
    assert limit(text, objective) == {"file": "slo.json", "path": "p95", **limits}


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("hot_p95", "'hot_p95' is not known; did you mean 'cold_p95'?"),
        ("cold_p95, max: 3", "slo: cold_p95 gives the maximum and its unit: leave out max and unit, or slo"),
        ("warm_p95, min: 3", "min 3 is above max 1: nothing could pass"),
    ],
)
def test_an_objective_that_cannot_be_a_limit_is_refused_with_its_line(objective: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        limit(SMALL, objective)
    assert refused.value.message.startswith("pipeline.yaml:17: stages[0].gates[0]")
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{slo.cold_p95}", "2"),
        ("{slo.warm_p95} of {slo.error_rate}", "1 of 0.01"),
        ("{seed} {slo}", "{seed} {slo}"),
    ],
)
def test_a_step_is_told_an_objective_by_a_variable(value: str, filled: str) -> None:
    text = SMALL.replace("    needs: [lint]", f'    needs: [lint]\n    env: {{LIMIT: "{value}"}}', 1)
    assert load(text).stage("unit").env == {"LIMIT": filled}


WORKER = "  workers:\n    - {name: queue, command: python -m queue, ports: [QUEUE_PORT], ready: /ready}\n"


def with_workers(text: str) -> str:
    return SMALL.replace("  jobs:\n", text + "  jobs:\n", 1)


def test_workers_are_read() -> None:
    (worker,) = load(with_workers(WORKER)).service.workers
    assert (worker.name, worker.ports, worker.ready, worker.keep_on_standby) == (
        "queue",
        ("QUEUE_PORT",),
        "/ready",
        False,
    )


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        ("  workers: [{name: queue, command: q, ready: /ready}]\n", "name one, for example WORKER_PORT"),
        ("  workers: [{name: queue, command: q, ports: [A_PORT], replicas: 2}]\n", "one replica"),
        ("  workers: [{name: queue, command: q, ports: [queue]}]\n", "pattern"),
        (WORKER + "    - {name: queue, command: q}\n", "'queue' is used twice"),
        (WORKER + "    - {name: mail, command: q, ports: [QUEUE_PORT]}\n", "'QUEUE_PORT' is used twice"),
    ],
)
def test_workers_that_cannot_be(workers: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        load(with_workers(workers))
    assert message in str(refused.value)


def test_the_options_of_a_gate_are_the_validated_model_of_its_kind() -> None:
    text = SMALL.replace("gates: [exit_status]", "gates: [{kind: pass_rate, min_rate: 95%}, junit]", 1)
    rate, tests = load(text).stages[0].gates
    assert rate.options == pass_rate.Options(min_rate=0.95)
    assert rate.written_options == {"min_rate": 0.95}
    assert tests.options == junit.Options()
    assert tests.written_options == {}


def slips(value: Any, place: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Yield the place of every key in ``value``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, key)
            yield from slips(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from slips(inner, (*place, index))


def problems_of(text: str) -> list[str]:
    try:
        load(text)
    except BadInput as error:
        return error.message.splitlines()
    return []


KEYS = [place for place in slips(YAML(typ="safe", pure=True).load(SMALL)) if place[:2] != ("environments", "staging")]


@pytest.mark.parametrize("slip", ["{}s", "other_word"])
@pytest.mark.parametrize("place", KEYS, ids=lambda place: ".".join(map(str, place)))
def test_one_wrong_key_is_one_problem(place: tuple[Any, ...], slip: str) -> None:
    document = YAML(typ="safe", pure=True).load(SMALL)
    parent = document
    for part in place[:-1]:
        parent = parent[part]
    wrong = slip.format(place[-1])
    items = [(wrong if key == place[-1] else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)
    text = StringIO()
    YAML().dump(document, text)
    problems = problems_of(text.getvalue())
    # Names of toolchains and profiles may be any.
    assert len(problems) <= 1, problems
    assert all(wrong in problem or place[-1] in problem for problem in problems)


def test_a_key_that_resembles_none_names_the_missing_one() -> None:
    label = SMALL.replace("name: demo", "label: demo")
    assert problems_of(label) == ["pipeline.yaml:2: label: unknown key 'label'; missing is 'name'"]
    assert len(problems_of(label.replace("slo:", "goals:"))) == 4, "which is which is not known"

"""Processes as data survive the files that they are kept in."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.local.state import spec_from

WORDS = st.text('aé\n "\\', max_size=4)
PROBES = st.builds(Probe, st.sampled_from(["tcp", "http"]), st.integers(1, 65535), WORDS, WORDS, st.tuples(WORDS))
SPECS = st.builds(
    ProcessSpec,
    name=WORDS,
    group=WORDS,
    argv=st.lists(WORDS, max_size=3).map(tuple),
    cwd=WORDS,
    env=st.dictionaries(WORDS, WORDS, max_size=2),
    user=st.none() | st.tuples(st.integers(0, 65534), st.integers(0, 65534)),
    ready=st.none() | PROBES,
)


@settings(max_examples=20, deadline=None)
@given(SPECS)
def test_a_process_comes_back_from_its_file_as_it_was(spec: ProcessSpec) -> None:
    assert spec_from(json.loads(json.dumps(asdict(spec)))) == spec


def test_nobody_changes_what_is_to_run_behind_the_supervisor_s_back() -> None:
    spec = ProcessSpec("a", "g", ("x",), "/")
    with pytest.raises(FrozenInstanceError):
        spec.cwd = "/tmp"  # type: ignore[misc]
    assert spec.env is not ProcessSpec("b", "g", ("x",), "/").env

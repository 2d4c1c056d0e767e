"""Stages for tests of the engine and of planning."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from dawsos.model.pipeline import Stage, Step
from gates.samples import gate


def stage(stage_id: str, *needs: str, **fields: Any) -> Stage:
    """Return a stage with one step and one gate."""
    fields = {"steps": (Step(run="true"),), "gates": (gate("exit_status", "exit_status"),), **fields}
    return Stage(id=stage_id, needs=needs, **fields)


@st.composite
def graphs(draw: st.DrawFn) -> list[Stage]:
    """Draw stages whose needs never go in circles, in any order of the file, each keeping 0 to 3 cores busy."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    made = []
    for number, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        made.append(stage(name, *needs, cpus=draw(st.integers(0, 3))))
    return draw(st.permutations(made))

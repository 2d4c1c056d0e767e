"""What a stage needs and what needs it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.pipeline import Stage
from dawsos.planning.graph import closure, dependents
from engine.stages import graphs, stage

STAGES = [stage("lint"), stage("unit", "lint"), stage("build", "unit"), stage("docs")]


def test_needs_are_followed_to_their_end() -> None:
    assert closure(STAGES, ["build"]) == {"build", "unit", "lint"}
    assert closure(STAGES, ["docs", "unit"]) == {"docs", "unit", "lint"}
    assert closure(STAGES, []) == frozenset()
    assert dependents(STAGES, "lint") == {"unit", "build"}
    assert dependents(STAGES, "docs") == frozenset()


@given(graphs(), st.data())
def test_a_closure_is_closed_and_its_mirror_are_the_dependents(stages: list[Stage], data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.sampled_from([each.id for each in stages])))
    found = closure(stages, wanted)
    assert wanted <= found
    assert all(set(each.needs) <= found for each in stages if each.id in found)
    assert closure(stages, found) == found
    for each in stages:
        assert each.id not in dependents(stages, each.id)
        assert all(each.id in closure(stages, [other]) for other in dependents(stages, each.id))

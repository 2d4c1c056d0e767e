"""Two fingerprints are compared input by input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.plan import Fingerprint

MANIFESTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("12", max_size=2))


def test_added_removed_and_changed_inputs_are_named() -> None:
    now = Fingerprint("d", {"file a": "1", "file b": "2", "env TZ": "x"})
    earlier = {"file b": "3", "env TZ": "x", "tool python": "3.12"}
    assert now.changes_since(earlier) == ("added    file a", "removed  tool python", "changed  file b")


@given(MANIFESTS, MANIFESTS)
def test_there_is_a_line_for_each_difference_and_none_without_one(now: dict[str, str], earlier: dict[str, str]) -> None:
    lines = Fingerprint("d", now).changes_since(earlier)
    different = {key for key in now.keys() | earlier.keys() if now.get(key) != earlier.get(key)}
    assert {line[9:] for line in lines} == different
    assert len(lines) == len(different)

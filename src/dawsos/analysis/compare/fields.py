"""The differences between JSON documents, field by field: missing, of another type, emptied, new, changed, in another order."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from dawsos.analysis.compare.answers import Reading
from dawsos.analysis.compare.shapes import ROOT, Node, Shape
from dawsos.analysis.compare.tallies import Tally, changed, most, shown
from dawsos.model.comparison import Difference

_VALUES = 3
# So many characters of a commit name it.
_COMMIT = 7


def field_differences(
    stable: Sequence[Reading], canary: Sequence[Reading], identity: Collection[str] = ()
) -> Iterator[Difference]:
    """Yield the differences between the documents; ``identity`` are texts that name the canary's own release."""
    base = [one.shape for one in stable if one.form == "json"]
    other = [one.shape for one in canary if one.form == "json"]
    if not base or not other:
        return
    lost: set[str] = set()
    moved: set[str] = set()
    for place in sorted({place for one in base for place in one}):
        found = list(_structure(place, base, other))
        lost |= {place for one in found if one.fails or one.undecided}
        yield from found
        if not found and not _below(place, lost):
            values = list(_values(place, base, other, identity))
            moved |= {place} if values else set()
            yield from values
    yield from _orders(base, other, lost | moved)
    yield from _new(base, other)


def noise(stable: Sequence[Reading]) -> list[str]:
    """Return the places in which stable differs from itself."""
    shapes = [one.shape for one in stable if one.form == "json"]
    places = sorted({place for one in shapes for place in one})
    return [place for place in places if len({_content(one.get(place)) for one in shapes}) > 1]


def _content(node: Node | None) -> tuple[object, ...]:
    return () if node is None else (tuple(node.values), tuple(sorted(node.types)), tuple(node.lengths))


def _structure(place: str, base: Sequence[Shape], other: Sequence[Shape]) -> Iterator[Difference]:
    """Find where the canary lacks what stable always has: the field, its type, the elements of a list."""
    there = [one[place] for one in other if place in one]
    missing = Tally.count([_lacks(one, place, base) for one in other], [_lacks(one, place, base) for one in base])
    yield from missing.differences("missing", place, "there", "missing")
    known = {kind for one in base if place in one for kind in one[place].types}
    for kind in sorted({kind for one in there for kind in one.types} - known):
        tally = Tally.count([kind in one.types for one in there], [False for one in base if place in one])
        if known == {"null"}:
            # What had no value has one now.
            yield Difference("value", place, "null", kind, tally.canary, tally.of)
        else:
            yield from tally.differences("type", place, " or ".join(sorted(known)), kind)
    if "list" in known:
        emptied = Tally.count(
            [_is_empty(one) for one in there if one.lengths], [_is_empty(one[place]) for one in base if place in one]
        )
        yield from emptied.differences("emptied", place, "a list with elements", "an empty list")


def _lacks(shape: Shape, place: str, base: Sequence[Shape]) -> bool:
    """Return whether some object lacks a field; where there is no object that could have it, nothing is lacking."""
    parent = next(one[place].parent for one in base if place in one)
    holder = shape.get(parent) if parent else None
    if holder is None or not holder.objects:
        return False
    return place not in shape or shape[place].present < holder.objects


def _is_empty(node: Node) -> bool:
    return bool(node.lengths) and not any(node.lengths)


def _values(
    place: str, base: Sequence[Shape], other: Sequence[Shape], identity: Collection[str]
) -> Iterator[Difference]:
    """Find values that are the same in all of stable's documents and others in the canary's."""
    usual = {tuple(one[place].values) for one in base if place in one}
    if len(usual) != 1 or not all(place in one for one in base):
        return
    before = usual.pop()
    after = [tuple(one[place].values) for one in other if place in one]
    changes = [one for one in after if not _alike(before, one, identity)]
    if changes:
        gone, come = _beyond(before, changes[0]), _beyond(changes[0], before)
        yield Difference("value", place, gone, come, len(changes), len(after))


def _alike(before: tuple[str, ...], after: tuple[str, ...], identity: Collection[str]) -> bool:
    if before == after:
        return True
    return len(before) == len(after) and all(
        same_but_release(one, two, identity) for one, two in zip(before, after, strict=True)
    )


def same_but_release(before: str, after: str, identity: Collection[str]) -> bool:
    """Return whether ``after`` is ``before``, but for the name of its own release where another of the same form was."""
    return before == after or any(_renamed(before, after, name) for name in identity if len(name) >= _COMMIT)


def _renamed(before: str, after: str, name: str) -> bool:
    part = next((name[:length] for length in (len(name), 12, 8, _COMMIT) if name[:length] in after), "")
    pattern = re.escape(after).replace(re.escape(part), f"[0-9a-f]{{{len(part)}}}")
    return bool(part) and re.fullmatch(pattern, before) is not None


def _beyond(values: Sequence[str], others: Sequence[str]) -> str:
    """Return the first of ``values`` that ``others`` have not, each as often as it is there."""
    left = list(others)
    found = []
    for value in values:
        if value in left:
            left.remove(value)
        else:
            found.append(value)
    more = f" and {len(found) - _VALUES} more" if len(found) > _VALUES else ""
    return ", ".join(map(shown, found[:_VALUES])) + more if found else "nothing"


def _orders(base: Sequence[Shape], other: Sequence[Shape], different: set[str]) -> Iterator[Difference]:
    """Find lists with the elements of stable's in another order."""
    for place in sorted({place for one in base for place, node in one.items() if node.order}):
        if any(one == place or place == ROOT or _below(one, {place}) for one in different) or _below(place, different):
            continue
        orders = [[one[place].order for one in side if place in one] for side in (base, other)]
        for one in changed("order", place, *orders):
            yield Difference("order", place, "in one order", "in another order", one.count, one.of)


def _below(place: str, others: Collection[str]) -> bool:
    return any(place.startswith((f"{one}[]", f"{one}.")) for one in others)


def _new(base: Sequence[Shape], other: Sequence[Shape]) -> Iterator[Difference]:
    """Find fields that stable never has, in objects whose fields do not come and go in stable itself."""
    known = {place for one in base for place in one}
    for place in sorted({place for one in other for place in one} - known):
        nodes = [one[place] for one in other if place in one]
        parent = nodes[0].parent
        holders = [one[parent] for one in base if parent in one and one[parent].objects] if parent else []
        if holders and len({frozenset(one.keys) for one in holders}) == 1:
            value = most(value for one in nodes for value in one.values)
            kinds = " or ".join(sorted({kind for one in nodes for kind in one.types}))
            yield Difference("new", place, "", shown(value) or kinds, len(nodes), len(other))

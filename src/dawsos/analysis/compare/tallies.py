"""How many answers have something, and how often chance alone would do this: Fisher's exact test, one-sided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import comb

from dawsos.model.comparison import Difference, DifferenceKind

# A difference that chance brings about less often is proven.  Six answers of six that have what none of twelve has: 1 in 18,564.
PROOF = 0.001
_SHOWN = 80


def chance(canary: int, of: int, stable: int, stable_of: int) -> float:
    """Return how likely the canary would have ``canary`` or more of all such answers if all answers came from one release."""
    total, marked = of + stable_of, canary + stable
    ways = sum(comb(of, each) * comb(stable_of, marked - each) for each in range(canary, min(of, marked) + 1))
    return ways / comb(total, marked)


@dataclass(frozen=True)
class Tally:
    """How many of the canary's answers have something, and how many of stable's."""

    canary: int
    of: int
    stable: int
    stable_of: int

    @classmethod
    def count(cls, canary: Sequence[bool], stable: Sequence[bool]) -> Tally:
        """Count the answers that have it."""
        return cls(sum(canary), len(canary), sum(stable), len(stable))

    @property
    def proven(self) -> bool:
        """Whether the canary has it more often than stable, beyond chance."""
        return self.canary > 0 and chance(self.canary, self.of, self.stable, self.stable_of) <= PROOF

    def differences(self, kind: DifferenceKind, where: str, stable: str, canary: str) -> Iterator[Difference]:
        """Yield the difference that this is, of a kind that fails; what stable has at times is noise until it is proven."""
        if self.proven or (self.canary and not self.stable):
            proven = self.proven
            yield Difference(kind, where, stable, canary, self.canary, self.of, fails=proven, undecided=not proven)


def changed(kind: DifferenceKind, where: str, stable: Sequence[str], canary: Sequence[str]) -> Iterator[Difference]:
    """Yield what is the same in all of stable's answers and another in answers of the canary; an empty text is none."""
    if len(set(stable)) == 1:
        other = [one for one in canary if one != stable[0]]
        if other:
            yield Difference(kind, where, shown(stable[0]), shown(most(other)), len(other), len(canary))


def most(values: Iterable[str]) -> str:
    """Return the most frequent value, the smallest of several; an empty text for none."""
    found = Counter(values)
    return min(found, key=lambda one: (-found[one], one)) if found else ""


def shown(text: str) -> str:
    """Return as much of a value as is shown."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

"""The differences between two groups of answers to one request, beyond what differs among stable's own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from statistics import median

from dawsos.analysis.compare.answers import Reading
from dawsos.analysis.compare.fields import field_differences, same_but_release
from dawsos.analysis.compare.tallies import Tally, changed, most, shown
from dawsos.model.comparison import Difference, DifferenceKind

# A time is another one when it is so many times stable's and so much longer in seconds.
_SLOWER, _SECONDS = 2.0, 0.1
# A text that keeps fewer of the words that every answer of stable has is another text, when there are enough words to say so.
_KEPT, _WORDS = 0.1, 5
# A body of bytes that shrank to less than this share collapsed.
_COLLAPSED = 0.1
_ERROR = re.compile(
    r"(?i)\b(errors?|exceptions?|traceback|stack ?trace|failed|failure|fatal|panic|unavailable|denied|not found)\b"
)
FORMS = {
    "json": "JSON",
    "text": "a text",
    "bytes": "bytes that are no text",
    "empty": "empty",
    "unreadable": "JSON that cannot be read",
}


def usual_group(stable: Sequence[Reading]) -> str:
    """Return the class of status that most of stable's answers have; an empty text when it gives none that clients can use."""
    return most(one.group for one in stable if not one.fails)


def differences(
    stable: Sequence[Reading], canary: Sequence[Reading], identity: Collection[str] = ()
) -> list[Difference]:
    """Return the differences, those that fail first.

    Some of stable's answers can be used by clients.  ``identity`` are texts that name the canary's own release, such as its commit.
    """
    usual = usual_group(stable)
    base, alike = ([one for one in side if one.group == usual] for side in (stable, canary))
    found = [*_endings(stable, canary)]
    if alike:
        found += [
            *changed("status", "", [one.status for one in base], [one.status for one in alike]),
            *_forms(base, alike),
        ]
    forms = {one.form for one in base}
    whole = [one for one in alike if one.form in forms]
    if whole:
        found += [
            *_headers(base, whole),
            *field_differences(base, whole, identity),
            *_texts(base, whole, identity),
            *_sizes(base, whole),
        ]
    return sorted(found, key=lambda one: (not one.fails, not one.undecided))


def _endings(stable: Sequence[Reading], canary: Sequence[Reading]) -> Iterator[Difference]:
    """Find answers of another class, and requests that got none."""
    usual = most(one.status for one in stable if not one.fails)
    for group in sorted({one.group for one in canary}):
        tally = Tally.count([one.group == group for one in canary], [one.group == group for one in stable])
        said = most(one.status for one in canary if one.group == group)
        kind: DifferenceKind = "answer" if group == "no answer" else "status"
        yield from tally.differences(kind, "", usual, said)


def _forms(stable: Sequence[Reading], canary: Sequence[Reading]) -> Iterator[Difference]:
    """Find bodies that are empty or unreadable where stable's are not, or of another form."""
    known, nothing = {one.form for one in stable}, [False] * len(stable)
    usual = FORMS[most(one.form for one in stable)]
    for form in sorted({one.form for one in canary} - known):
        yield from Tally.count([one.form == form for one in canary], nothing).differences(
            "body", "", usual, FORMS[form]
        )
    if known == {"bytes"}:
        least = min(one.size for one in stable)
        short = [one.form == "bytes" and one.size < _COLLAPSED * least for one in canary]
        said = f"less than {_COLLAPSED:.0%} of that"
        yield from Tally.count(short, nothing).differences("body", "", f"{least} bytes or more", said)


def _headers(stable: Sequence[Reading], canary: Sequence[Reading]) -> Iterator[Difference]:
    for name in sorted({name for one in (*stable, *canary) for name in one.headers}):
        yield from changed("header", name, *([one.headers.get(name, "") for one in side] for side in (stable, canary)))


def _texts(stable: Sequence[Reading], canary: Sequence[Reading], identity: Collection[str]) -> Iterator[Difference]:
    """Find texts that say an error in place of what stable says, other texts, and texts with other words."""
    base, other = ([one for one in side if one.form == "text"] for side in (stable, canary))
    if not base or not other:
        return
    lasting = frozenset.intersection(*(one.words for one in base))
    known = frozenset.union(*(one.words for one in base))
    nothing = [False] * len(base)
    wrong = [_says_an_error(one, lasting, known) for one in other]
    lost = [
        len(lasting) >= _WORDS and _kept(one, lasting) < _KEPT and not error
        for one, error in zip(other, wrong, strict=True)
    ]
    example = shown(" ".join(most(one.text for one in base).split()))
    for marked in (wrong, lost):
        said = most(one.text for one, mark in zip(other, marked, strict=True) if mark)
        yield from Tally.count(marked, nothing).differences("text", "", example, shown(" ".join(said.split())))
    if not any(wrong) and not any(lost):
        before, after = ([" ".join(one.text.split()) for one in side] for side in (base, other))
        yield from changed(
            "text", "", before, [before[0] if same_but_release(before[0], one, identity) else one for one in after]
        )


def _kept(text: Reading, lasting: frozenset[str]) -> float:
    return len(text.words & lasting) / len(lasting) if lasting else 1.0


def _says_an_error(text: Reading, lasting: frozenset[str], known: frozenset[str]) -> bool:
    named = {word.lower() for found in _ERROR.findall(text.text) for word in re.findall(r"\w+", found)}
    return bool(named - known) and _kept(text, lasting) < 0.5


def _sizes(stable: Sequence[Reading], canary: Sequence[Reading]) -> Iterator[Difference]:
    """Find answers that became much shorter or longer, and slower."""
    sizes = sorted(one.size for one in stable)
    size, seconds = median(one.size for one in canary), median(one.seconds for one in canary)
    if size * 2 < sizes[0] or size > 2 * sizes[-1]:
        yield Difference("size", "", f"{median(sizes):.0f} bytes", f"{size:.0f} bytes", len(canary), len(canary))
    usual = median(one.seconds for one in stable)
    if seconds > _SLOWER * usual and seconds - usual > _SECONDS:
        yield Difference("time", "", f"{usual * 1000:.0f} ms", f"{seconds * 1000:.0f} ms", len(canary), len(canary))


def status_words(readings: Sequence[Reading]) -> str:
    """Return how each request ended: ``200``, or ``200 (5), 500 (1)``."""
    found = Counter(one.status for one in readings)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(
        f"{status} ({number})" for status, number in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    )

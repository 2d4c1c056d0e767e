"""The verdict on each page and on the whole comparison, with what pipeline.yaml allows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import median

from dawsos.analysis.compare.answers import Answer, Reading, read
from dawsos.analysis.compare.differences import FORMS, differences, status_words, usual_group
from dawsos.analysis.compare.fields import noise
from dawsos.model.comparison import ComparedPage, ComparisonVerdict, Difference, PageSide
from dawsos.model.policy import AllowedDifference

# More differences of one page tell nobody more.
_LISTED = 40
_NOISE = 20


@dataclass(frozen=True)
class Asked:
    """One declared request and the answers to it, ``wanted`` of the canary."""

    method: str
    path: str
    wanted: int
    authenticated: bool
    stable: Sequence[Answer]
    canary: Sequence[Answer]


def compare_page(asked: Asked, allow: Sequence[AllowedDifference] = (), identity: Collection[str] = ()) -> ComparedPage:
    """Return what the answers to one request say; ``identity`` are texts that name the canary's own release."""
    stable, canary = [read(one) for one in asked.stable], [read(one) for one in asked.canary]
    page = ComparedPage(asked.method, asked.path, "no_data", stable=_side(stable), canary=_side(canary))
    silent = _silent(stable, canary)
    if silent:
        return replace(page, reason=silent)
    incomparable = _incomparable(asked, stable)
    if incomparable:
        return replace(page, verdict="skipped", reason=incomparable)
    found = [
        _allowed(one, [each for each in allow if each.path == asked.path])
        for one in differences(stable, canary, identity)
    ]
    page = replace(
        page,
        differences=tuple(found[:_LISTED]),
        omitted=max(0, len(found) - _LISTED),
        noise=tuple(noise(stable)[:_NOISE]),
    )
    failing = [one for one in found if one.fails and not one.allowed]
    if failing:
        return replace(page, verdict="fail", reason=failing[0].sentence)
    if len(canary) < asked.wanted:
        return replace(
            page,
            reason=f"only {len(canary)} of {asked.wanted} answers of the canary came in the time and with the requests allowed",
        )
    return replace(page, verdict="pass", reason=_good(found))


def undecided(page: ComparedPage) -> bool:
    """Return whether more answers would tell whether the page fails."""
    return page.verdict != "fail" and any(one.undecided and not one.allowed for one in page.differences)


def overall(pages: Sequence[ComparedPage]) -> tuple[ComparisonVerdict, str]:
    """Return the verdict on all pages and a sentence."""
    failed = [page for page in pages if page.verdict == "fail"]
    if failed:
        more = f"; and {len(failed) - 1} of {len(pages)} other requests" if len(failed) > 1 else ""
        return "fail", f"{failed[0].name}: {failed[0].reason}{more}"
    compared = [page for page in pages if page.verdict == "pass"]
    blind = [page for page in pages if page.verdict != "pass"]
    told = "; ".join(f"{page.name}: {page.reason}" for page in blind[:3])
    if not compared:
        only_new = bool(blind) and all(page.verdict == "skipped" for page in blind)
        return "skipped" if only_new else "no_data", told or "no request was compared"
    changes = sum(len(page.differences) + page.omitted for page in compared)
    said = f"{_count(changes)}, and nothing that fails" if changes else "no difference"
    return "pass", f"{len(compared)} of {len(pages)} requests compared, {said}" + (f"; {told}" if told else "")


def _silent(stable: Sequence[Reading], canary: Sequence[Reading]) -> str:
    """Return why there is nothing to compare now, though there should be; an empty text when there is."""
    if not stable or not canary:
        return "it was not asked for in the time"
    too_large = any(one.status == "too large" for one in stable)
    if sum(one.fails for one in stable) * 2 > len(stable) and not too_large:
        return f"stable itself fails: {status_words(stable)}"
    return ""


def _incomparable(asked: Asked, stable: Sequence[Reading]) -> str:
    """Return why a page can never be compared; an empty text when it can."""
    usual, said = usual_group(stable), status_words(stable)
    statuses = {one.status for one in stable if one.group == usual}
    reasons = {
        "answers are longer than what is compared": any(
            answer.problem == "too large" for answer in (*asked.stable, *asked.canary)
        ),
        "stable does not have this page: 404": statuses == {"404"},
        "stable refuses so many requests: 429": "429" in statuses,
        f"stable refuses the declared token: {said}": asked.authenticated and statuses <= {"401", "403"},
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _allowed(one: Difference, allow: Sequence[AllowedDifference]) -> Difference:
    """Mark what pipeline.yaml allows.  That a page fails, or cannot be read, no commit can mean."""
    never = (
        one.kind == "answer" or one.canary == FORMS["unreadable"] or (one.kind == "status" and one.canary[:1] == "5")
    )
    for each in allow:
        if not never and each.at in (None, one.where):
            return replace(one, allowed=each.why)
    return one


def _good(found: Sequence[Difference]) -> str:
    allowed = sum(bool(one.allowed) for one in found)
    if not found:
        return "no difference"
    return f"{_count(len(found))}, {allowed} allowed" if allowed else f"{_count(len(found))}, and nothing that fails"


def _count(number: int) -> str:
    return "1 difference" if number == 1 else f"{number} differences"


def _side(readings: Sequence[Reading]) -> PageSide:
    if not readings:
        return PageSide()
    answered = [one for one in readings if one.group != "no answer"]
    size = round(median(one.size for one in answered)) if answered else None
    return PageSide(len(readings), status_words(readings), size, round(median(one.seconds for one in readings), 4))

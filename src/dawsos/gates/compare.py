"""The canary's answers are those of the stable release, but for what the commit means to change; seen before any traffic.

The rollout compares them and rolls back by itself, whether or not its stage has this gate; the gate makes it part of the evidence.
It sees what the declared requests answer at that time, one by one: no fault that is rare, that needs load or state, or that lies
on another page.  New fields, changed values, sizes and times are shown and fail nothing.  Where stable itself fails there is nothing
to compare with: that is no data, unless a person let the release go on (a hotfix, or `at_no_data: go_on`), and then a remark.
"""

from __future__ import annotations

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, get_text, get_word, optional_rows, parse_object, required_file
from dawsos.model.comparison import ComparedPage, ComparisonVerdict
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

EVIDENCE = "compare.json"
_VERDICTS: tuple[ComparisonVerdict, ...] = ("pass", "fail", "no_data", "skipped")
_LIMIT = "no answer that users must not get"


class Options(GateOptions):
    """Which requests, and what is allowed, is in `rollout.compare` of pipeline.yaml.  No options."""


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(_options: Options, evidence: Evidence) -> Measurement:
    facts = parse_object(EVIDENCE, required_file(evidence, EVIDENCE))
    verdict = get_word(EVIDENCE, facts, "verdict", _VERDICTS)
    reason = get_text(EVIDENCE, facts, "reason")
    pages = [_page(one) for one in optional_rows(EVIDENCE, facts, "pages")]
    failed = [page for page in pages if page.verdict == "fail"]
    if (verdict == "fail") != bool(failed) or (verdict == "pass" and not any(page.verdict == "pass" for page in pages)):
        raise Malformed(f"{EVIDENCE}: the verdict {verdict} is not that of its pages")
    if failed:
        told = tuple(f"{page.name}: {one.sentence}" for page in failed for one in page.differences if one.fails)
        return Measurement("fail", _counts(pages), _LIMIT, reason, (EVIDENCE,), findings=told)
    # A failing kind of difference in too few answers for a proof is no clean pass either.
    unsure = [f"{page.name}: {one.sentence}, undecided" for page in pages for one in page.differences if one.undecided]
    unchecked = bool(unsure) or verdict != "pass" or any(page.verdict != "pass" for page in pages)
    reason = "; ".join([reason, *unsure[:3]])
    message = f"warning: NOT COMPARED: {reason}" if verdict != "pass" else reason
    if verdict == "no_data" and facts.get("accepted") is not True:
        return Measurement("no_data", _counts(pages), _LIMIT, f"NOT COMPARED: {reason}", (EVIDENCE,))
    return Measurement("pass", _counts(pages), _LIMIT, message, (EVIDENCE,), unchecked=unchecked)


def _page(row: JsonObject) -> ComparedPage:
    get_word(f"{EVIDENCE}: pages", row, "verdict", _VERDICTS)
    return ComparedPage.read(row)


def _counts(pages: list[ComparedPage]) -> str:
    compared = [page for page in pages if page.verdict in ("pass", "fail")]
    failing = sum(one.fails and not one.allowed for page in pages for one in page.differences)
    shown = sum(len(page.differences) + page.omitted for page in pages) - failing
    return f"{len(compared)} of {len(pages)} requests compared, {failing} failing differences, {shown} others"


GATE = GateKind(Options, files, evaluate)

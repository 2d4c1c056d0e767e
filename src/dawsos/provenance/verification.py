"""Verifies the evidence of a release.  Pure: takes envelopes and file digests, returns the problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dawsos.adapters.digests import sha256
from dawsos.ports import Keyring
from dawsos.provenance import statements
from dawsos.provenance.envelope import Untrusted, claims_of, open_envelope

PROVENANCE_FILE = "provenance.json"


@dataclass(frozen=True)
class Demand:
    """What a release must show of one stage.  ``gates`` are the names of its gates, None when they are not known.

    ``approvals_may_be_old``: they need only have held when they were given, for going back to what once was approved.
    """

    stage: str
    gates: tuple[str, ...] | None = None
    may_be_skipped: bool = False
    approvals: int = 0
    of: tuple[str, ...] = ()
    approvals_may_be_old: bool = False


@dataclass(frozen=True)
class Bundle:
    """The evidence of one run about one release: ``envelopes`` maps file name -> text; ``digests(folder)`` is what lies there now.

    ``earlier`` maps a run that stages were restored from to what believes also the key which a certificate proves for that run.
    """

    run: str
    release: str
    envelopes: Mapping[str, str]
    digests: Callable[[str], Mapping[str, str]]
    earlier: Mapping[str, Keyring] = field(default_factory=dict)


@dataclass(frozen=True)
class StatementCheck:
    """One file of the evidence: what it says, who signed it, what is wrong with it.

    ``doubts`` are why an approval does not count; they are a problem only when too few others do.
    """

    name: str
    stage: str
    result: str
    predicate: Mapping[str, Any]
    key_id: str = ""
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read(bundle: Bundle, name: str, kind: str, keyring: Keyring, *, of_this_run: bool = True) -> StatementCheck:
    """Return what the file ``name`` says, checked as far as it goes alone: signature, kind, release, run."""
    text = bundle.envelopes.get(name)
    if text is None:
        return StatementCheck(name, "", "missing", {}, problems=("its statement is missing",))
    try:
        opened = open_envelope(text, keyring)
    except Untrusted as reason:
        return StatementCheck(
            name, "", "untrusted", {}, problems=(f"its statement {name} cannot be trusted: {reason}",)
        )
    statement = opened.statement
    predicate = statement.get("predicate")
    if (
        statement.get("_type") != statements.STATEMENT
        or statement.get("predicateType") != kind
        or not isinstance(predicate, dict)
    ):
        return StatementCheck(
            name, "", "unknown", {}, opened.key_id, (f"{name} is not a statement of the kind {kind}",)
        )
    problems = []
    digest = subject(statement)
    if digest != bundle.release:
        problems.append(f"{name} is about another release ({digest[:12]}, this is {bundle.release[:12]})")
    if of_this_run and predicate.get("run", bundle.run) != bundle.run:
        problems.append(f"{name} is of another run ({predicate.get('run')})")
    result = str(predicate.get("result") or predicate.get("decision") or "")
    return StatementCheck(name, str(predicate.get("stage", "")), result, predicate, opened.key_id, tuple(problems))


def subject(statement: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the one subject, an empty string when there is not exactly one."""
    match statement.get("subject"):
        case [{"digest": {"sha256": str(digest)}}]:
            return digest
    return ""


def stage(bundle: Bundle, demand: Demand, keyring: Keyring, now: float) -> StatementCheck:
    """Return the finding on one demanded stage: it passed, for this release, on the evidence that still lies there."""
    name = f"{demand.stage}.json"
    found = read(bundle, name, statements.STAGE, keyring)
    if found.problems:
        return StatementCheck(name, demand.stage, found.result, found.predicate, found.key_id, found.problems)
    predicate = found.predicate
    problems: list[str] = []
    if found.stage != demand.stage:
        problems.append(f"{name} is about the stage {found.stage!r}")
    if found.result == "skipped":
        if not (demand.may_be_skipped and predicate.get("hotfix")):
            problems.append("it was skipped, and only a hotfix may skip a stage marked hotfix_skips")
    elif found.result not in ("passed", "restored"):
        problems.append(f"it did not pass ({found.result})")
    else:
        problems += _gates(demand, predicate, now)
    problems += _files(predicate.get("evidence") or {}, bundle.digests(str(predicate.get("folder", ""))))
    if found.result == "restored":
        problems += _original(bundle, predicate, keyring)
    return StatementCheck(name, demand.stage, found.result, predicate, found.key_id, tuple(problems))


def _gates(demand: Demand, predicate: Mapping[str, Any], now: float) -> list[str]:
    gates = {gate["gate"]: gate for gate in predicate.get("gates", ())}
    problems = [f"gate {name} was not evaluated" for name in demand.gates or () if name not in gates]
    for name, gate in gates.items():
        if gate["result"] != "pass":
            problems.append(f"gate {name} did not pass ({gate['result']})")
        until = gate.get("valid_until")
        if until is not None and until <= now:
            problems.append(f"gate {name} passed on a waiver that ended on {statements.utc(until)}")
    return problems


def _files(stated: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    problems = [f"evidence {name} is missing" for name in sorted(stated.keys() - found.keys())]
    problems += [f"evidence {name} was not there when the stage ended" for name in sorted(found.keys() - stated.keys())]
    changed = sorted(name for name in stated.keys() & found.keys() if stated[name] != found[name])
    return problems + [f"evidence {name} was altered after the stage ended" for name in changed]


def _original(bundle: Bundle, predicate: Mapping[str, Any], keyring: Keyring) -> list[str]:
    """Compare a restored stage with the statement of the run in which it really ran."""
    restored = predicate.get("restored") or {}
    name = statements.original_name(str(predicate.get("stage")))
    text = bundle.envelopes.get(name)
    if text is None or sha256(text.encode()) != restored.get("statement", {}).get("digest", {}).get("sha256"):
        return [f"the statement of the run it was restored from, {name}, is missing or was altered"]
    try:
        # The statement must then say that it is of this run (below).
        first = open_envelope(text, bundle.earlier.get(str(restored.get("run")), keyring)).statement
    except Untrusted as reason:
        return [f"the statement of the run it was restored from, {name}, cannot be trusted: {reason}"]
    original = first.get("predicate", {})
    same = all(original.get(key) == predicate.get(key) for key in ("stage", "fingerprint", "gates", "evidence"))
    if not same or subject(first) != predicate.get("fingerprint") or original.get("run") != restored.get("run"):
        return [f"the statement of the run it was restored from, {name}, says something else"]
    return [] if original.get("result") == "passed" else [f"it did not pass in run {restored.get('run')}"]


def approvals(bundle: Bundle, demand: Demand, wanted: str, keyring: Keyring, now: float) -> list[StatementCheck]:
    """Return a finding for each approval of the stage, and one when they are too few; ``wanted`` is the digest asked about."""
    names = sorted(name for name in bundle.envelopes if name.startswith(f"{demand.stage}.approval-"))
    found = [_approval(bundle, demand, wanted, (name, keyring), now) for name in names]
    yes = {one.predicate["name"] for one in found if not one.problems and not one.doubts}
    if len(yes) < demand.approvals:
        text = f"{len(yes)} of {demand.approvals} needed approvals hold"
        worst = next(((*one.problems, *one.doubts)[0] for one in found if one.problems or one.doubts), "")
        found.append(
            StatementCheck(
                f"{demand.stage}.approval", demand.stage, "missing", {}, "", (f"{text}: {worst}" if worst else text,)
            )
        )
    return found


def _approval(bundle: Bundle, demand: Demand, wanted: str, signed: tuple[str, Keyring], now: float) -> StatementCheck:
    name, keyring = signed
    # What it claims decides only whose key is tried: a key that is certified for one run signs for no other.
    keyring = bundle.earlier.get(str(claims_of(bundle.envelopes[name]).get("run")), keyring)
    # A restored approval was given in the run that the stage comes from, over the same release.
    found = read(bundle, name, statements.APPROVAL, keyring, of_this_run=False)
    predicate, problems, doubts = found.predicate, list(found.problems), []
    if predicate and not problems:
        if predicate.get("stage") != demand.stage or predicate.get("digest") != wanted:
            doubts.append(f"{name} is over other evidence")
        elif predicate.get("decision") != "approved":
            problems.append(f"{predicate.get('name')} rejected it: {predicate.get('reason')}")
        if demand.of and predicate.get("name") not in demand.of:
            doubts.append(f"{predicate.get('name')} may not approve")
        if not demand.approvals_may_be_old and float(predicate.get("expires") or 0) <= now:
            doubts.append(
                f"the approval by {predicate.get('name')} expired on {statements.utc(predicate.get('expires'))}"
            )
    return StatementCheck(name, demand.stage, found.result, predicate, found.key_id, tuple(problems), tuple(doubts))


def release(
    bundle: Bundle,
    demands: Sequence[Demand],
    keyring: Keyring,
    now: float,
    approved_over: Callable[[Mapping[str, Any]], str],
) -> list[StatementCheck]:
    """Return the findings on everything that ``demands`` require of the release, in their order, and on its provenance.

    ``approved_over`` maps a stage's predicate to the digest that its approval must name.
    """
    found: list[StatementCheck] = []
    for demand in demands:
        one = stage(bundle, demand, keyring, now)
        found.append(one)
        if demand.approvals:
            wanted = approved_over(one.predicate) if one.predicate else ""
            found += approvals(bundle, demand, wanted, keyring, now)
    made = read(bundle, PROVENANCE_FILE, statements.PROVENANCE, keyring)
    found.append(StatementCheck(made.name, "build", "provenance", made.predicate, made.key_id, made.problems))
    return found

"""The evidence of a run on disk: statements that are written when a stage ends, and checked before anything goes to production.

The owner of the run writes a statement once, from the journal, and nothing changes it later.  Production refuses a release whose
evidence is missing or altered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dawsos.adapters.cache import Doubts
from dawsos.adapters.digests import sha256, tree_digests
from dawsos.adapters.files import write_text
from dawsos.errors import ReleaseFailed
from dawsos.model.pipeline import Approval, Pipeline, Stage
from dawsos.model.run import Run
from dawsos.planning.graph import closure
from dawsos.ports import Keyring
from dawsos.provenance import certificate, statements, verification
from dawsos.provenance import envelope as dsse
from dawsos.provenance.certificate import NOBODY, Confirmed
from dawsos.provenance.verification import Bundle, Demand, StatementCheck
from dawsos.runs.project import Tools

# The report that the approver was shown, beside the evidence of the stage with the approval.
SHOWN_REPORT = "approval-report.html"
SUMMARY_FILE = "summary.json"


def approval_rule(approval: Approval | None) -> dict[str, Any] | None:
    """Return what the statement of a stage says about approvals, None for a stage without one."""
    return None if approval is None else {"role": approval.role, "of": list(approval.of), "needed": approval.needed}


def approval_digest(release: str, gates: Iterable[Mapping[str, Any]], files: Mapping[str, str]) -> str:
    """Return what a person approves: the SHA-256 over the release, every verdict, the evidence they name and the report shown.

    ``gates`` are verdicts as plain values, ``files`` maps the names in the stage's folder to their SHA-256.
    """
    verdicts = [dict(gate) for gate in gates]
    named = {name for gate in verdicts for name in gate["evidence"]} | {SHOWN_REPORT}
    chosen = {name: files[name] for name in sorted(named) if name in files}
    return sha256(json.dumps({"release": release, "gates": verdicts, "files": chosen}, sort_keys=True).encode())


def write_statements(tools: Tools, pipeline: Pipeline, run: Run) -> None:
    """Write the statement of every stage that has ended and has none yet, the provenance and the approvals.

    Before there is a release there is nothing that a statement could be about.
    """
    if not run.release:
        return
    folder, signer = tools.project.evidence(run.id), tools.signer()
    for stage in run.stages.values():
        if stage.state not in statements.FINAL_STATES:
            continue
        path, defined = folder / f"{stage.id}.json", pipeline.stage(stage.id)
        if not path.exists():
            rule = approval_rule(defined.approval)
            write_text(path, dsse.sign(statements.stage_for_release(run, stage, rule), signer))
        # Looked for by itself: a ship may be killed after it wrote the first of the two.
        path = folder / verification.PROVENANCE_FILE
        if defined.uses == "release" and not path.exists():
            made = statements.provenance(run, stage, _packages(tools.project.releases / run.release))
            write_text(path, dsse.sign(made, signer))
    requested_digests = {request.stage: request.digest for request in run.approval_requests}
    numbers: dict[str, int] = {}
    for record in run.approvals:
        if record.statement and record.digest == requested_digests.get(record.stage, record.digest):
            number = numbers[record.stage] = numbers.get(record.stage, 0) + 1
            path = folder / statements.approval_name(record.stage, number)
            if not path.exists():
                write_text(path, record.statement)


def _packages(release: Path) -> list[dict[str, Any]]:
    """Return the packages that lie in the release as SLSA resource descriptors."""
    found = sorted(path.name.removesuffix(".dist-info") for path in (release / "site").glob("*.dist-info"))
    return [{"uri": "pkg:pypi/{}@{}".format(*name.replace("_", "-").lower().rsplit("-", 1))} for name in found]


def keep_original(
    tools: Tools, run: str, stage: str, text: str, beside: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Put the first statement of a restored stage, and the files ``beside`` it, into the run's evidence; return its SHA-256."""
    for name, content in beside.items():
        write_text(tools.project.evidence(run) / name, content)
    write_text(tools.project.evidence(run) / statements.original_name(stage), text)
    return sha256(text.encode())


def own_pair(tools: Tools, run: str) -> dict[str, str]:
    """Return the files of the certificate of the run's key (name -> text), none when it has no certificate."""
    folder = tools.project.evidence(run)
    if not all((folder / name).is_file() for name in certificate.PAIR):
        return {}
    return {name: (folder / name).read_bytes().decode(errors="replace") for name in certificate.PAIR}


def doubts(tools: Tools, earlier: Mapping[str, bytes] = MappingProxyType({})) -> Doubts:
    """Return a function: why a cached result of a stage is not what a believed key signed (see ``StageCache``).

    ``earlier`` maps a run to the key that a certificate proves for it, and for no other run.
    """
    keyring, certified = tools.keyring(), _keyrings(tools, earlier)

    def doubt(fingerprint: str, kept: dict[str, Any]) -> str:
        try:
            opened = dsse.open_envelope(kept["statement"], certified.get(str(kept["run"]), keyring))
        except dsse.UnknownKey as reason:
            return f"it is signed by the key {reason.key_id[:12]}, which is not believed here"
        except dsse.Untrusted as reason:
            return f"its statement proves nothing: {reason}"
        return "" if _says(opened.statement, fingerprint, kept) else "its statement says something else"

    return doubt


def _keyrings(tools: Tools, earlier: Mapping[str, bytes]) -> dict[str, Keyring]:
    return {run: tools.keyring(key) for run, key in earlier.items()}


def _says(statement: Mapping[str, Any], fingerprint: str, kept: Mapping[str, Any]) -> bool:
    """Return whether ``statement`` says that the stage passed on these inputs, as it is ``kept``."""
    predicate = statement.get("predicate")
    return (
        isinstance(predicate, dict)
        and verification.subject(statement) == fingerprint
        and statement.get("predicateType") == statements.STAGE
        and predicate.get("result") == "passed"
        and predicate.get("finishedOn") == statements.utc(kept.get("finished_at"))
        and all(predicate.get(key) == kept.get(key) for key in ("run", "gates", "evidence"))
    )


def sign_summary(tools: Tools, run: Run) -> None:
    """Sign the end of ``run``: the head of its journal, its report and every file of its evidence."""
    folder = tools.project.run_folder(run.id)
    statement = statements.summary(run, tools.journal.head(run.id), _signed_files(tools, run.id))
    write_text(folder / "evidence" / SUMMARY_FILE, dsse.sign(statement, tools.signer()))


def _signed_files(tools: Tools, run: str) -> dict[str, str]:
    folder = tools.project.run_folder(run)
    digests = {f"evidence/{name}": digest for name, digest in tree_digests(folder / "evidence").items()}
    digests.pop(f"evidence/{SUMMARY_FILE}", None)
    for path in (tools.project.report(run), tools.project.sarif(run), tools.project.summary(run)):
        if path.exists():
            digests[path.name] = sha256(path.read_bytes())
    return digests


def bundle(tools: Tools, run: Run) -> Bundle:
    """Return what lies in the evidence folder of ``run``."""
    folder = tools.project.run_folder(run.id)
    envelopes = {}
    for path in sorted((folder / "evidence").glob("*.json")):
        envelopes[path.name] = path.read_bytes().decode(errors="replace")
    return Bundle(run.id, run.release, envelopes, lambda name: tree_digests(folder / name) if name else {})


def demands(stages: Iterable[Stage]) -> list[Demand]:
    """Return what a release must show of ``stages`` to go to production."""
    return [
        Demand(
            stage.id, tuple(gate.name for gate in stage.gates), stage.hotfix_skips,
            stage.approval.needed if stage.approval else 0, stage.approval.of if stage.approval else (),
        )
        for stage in stages
    ]  # fmt: skip


def recorded_demands(tools: Tools, run: Run, stages: Iterable[str], certified: Confirmed = NOBODY) -> list[Demand]:
    """Return what the statements themselves record as demanded of ``stages``, for a release of an earlier pipeline."""
    given, keyring = bundle(tools, run), tools.keyring(certified.key)
    found = []
    for stage in stages:
        rule = verification.read(given, f"{stage}.json", statements.STAGE, keyring).predicate.get("approval") or {}
        found.append(
            Demand(stage, None, True, rule.get("needed", 0), tuple(rule.get("of", ())), approvals_may_be_old=True)
        )
    return found


def examine(tools: Tools, run: Run, wanted: list[Demand], certified: Confirmed = NOBODY) -> list[StatementCheck]:
    """Return the findings on the certificate of the run's key and on everything ``wanted`` of its release."""
    given, keyring = bundle(tools, run), tools.keyring(certified.key)
    given = replace(given, earlier=_keyrings(tools, certified.earlier))

    def approved_over(predicate: Mapping[str, Any]) -> str:
        return approval_digest(run.release, predicate.get("gates", ()), predicate.get("evidence", {}))

    found = certificate.by_the_certified_key(
        verification.release(given, wanted, keyring, tools.clock.now(), approved_over), certified
    )
    return [*certificate.findings(given, certified, keyring), *found]


def summary_problems(
    tools: Tools, run: Run, certified: Confirmed = NOBODY, keyring: Keyring | None = None
) -> list[str]:
    """Return what is wrong with the end of ``run``: its chain, its signed summary and the files that the summary lists.

    ``keyring`` has the keys that are believed; default: those of ``tools``, and the certified one.
    """
    problems = tools.journal.verify(run.id, tools.project.summary(run.id))
    path = tools.project.evidence(run.id) / SUMMARY_FILE
    if not path.exists():
        missing = "its signed summary is missing: removed, or older than signed evidence"
        return problems + ([missing] if run.result else [])
    try:
        keyring = keyring or tools.keyring(certified.key)
        statement = dsse.open_envelope(path.read_bytes().decode(errors="replace"), keyring).statement
    except dsse.Untrusted as reason:
        return [*problems, f"its summary cannot be trusted: {reason}"]
    predicate = statement.get("predicate", {})
    if statement.get("predicateType") != statements.SUMMARY or predicate.get("run") != run.id:
        return [*problems, "its summary is of another run"]
    if not tools.journal.reaches(run.id, predicate["journal"]["events"], predicate["journal"]["head"]):
        problems.append("the chain does not reach the head in its signed summary: events were cut off or replaced")
    if predicate["result"] != run.result and predicate["result"] != "waiting":
        problems.append(
            f"it ended {predicate['result']}, which its journal does not say (killed at its very end? resume it)"
        )
    now = _signed_files(tools, run.id)
    if run.result:
        changed = sorted(
            name for name in now.keys() | predicate["files"].keys() if now.get(name) != predicate["files"].get(name)
        )
        problems += [f"{name} is not what was signed" for name in changed]
    return problems


def admit(tools: Tools, pipeline: Pipeline, run: Run, stage: Stage, certified: Confirmed) -> None:
    """Admit the run's release to production by ``stage``; raises ReleaseFailed with the first problem of its evidence."""
    before = closure(pipeline.stages, (stage.id,)) - {stage.id}
    wanted = demands(one for one in pipeline.stages if one.id in before)
    broken = tools.journal.verify(run.id)
    if broken:
        raise _refused(run, f"its journal: {broken[0]}")
    _refuse(run, examine(tools, run, wanted, certified))


def admit_again(tools: Tools, run: Run, certified: Confirmed) -> None:
    """Admit a release that ``run`` shipped earlier to production again; raises ReleaseFailed."""
    broken = summary_problems(tools, run, certified)
    if broken:
        raise _refused(run, f"run {run.id}: {broken[0]}")
    _refuse(run, examine(tools, run, recorded_demands(tools, run, run.stages, certified), certified))


def _refuse(run: Run, findings: Iterable[StatementCheck]) -> None:
    for finding in findings:
        if finding.problems:
            about = "" if finding.name == certificate.BUNDLE_FILE else "stage "
            raise _refused(run, f"{about}{finding.stage}: {finding.problems[0]}")


def _refused(run: Run, reason: str) -> ReleaseFailed:
    return ReleaseFailed(
        f"release {run.release[:12]} may not go to production: {reason}",
        fix=f"dawsos evidence {run.id} --verify shows everything; ship the commit again to make its evidence anew",
    )


def find_run(runs: Iterable[Run], name: str) -> Run | None:
    """Return the newest ship of the release or commit that begins with ``name``.

    One that passed comes first, and of these one that gave it to the users.
    """
    ships = [run for run in runs if run.command == "ship" and run.release]
    named = [run for run in ships if run.release.startswith(name) or run.commit.startswith(name)]
    passed = [run for run in named if run.result == "passed"]
    whole = [run for run in passed if not run.ends_before_users]
    return next(iter(reversed(whole or passed or named)), None)


def attested(run: Run) -> list[str]:
    """Return the stages of ``run`` that have come to an end, in its order."""
    return [stage.id for stage in run.stages.values() if stage.state in statements.FINAL_STATES]

"""Makes in-toto statements (in-toto attestation framework v1) from a run's state; the same state gives the same bytes.

A stage is attested twice.  The statement kept with its cached result is about the **inputs**: its subject is their
fingerprint.  The statement in a ship's evidence is about the **release**: its subject is the release's digest, and for
a stage restored from the cache it says so, names the run in which the stage really ran and holds the digest of the
statement made there, which lies beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from dawsos import __version__
from dawsos.model.run import ApprovalRecord, Run, StageRecord

STATEMENT = "https://in-toto.io/Statement/v1"
STAGE = "urn:dawsos:attestation:stage:v1"
APPROVAL = "urn:dawsos:attestation:approval:v1"
SUMMARY = "urn:dawsos:attestation:run-summary:v1"
JOURNAL = "urn:dawsos:attestation:run-journal:v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
# https://slsa.dev/spec/v1.1/verification_summary
VERIFIED = "https://slsa.dev/verification_summary/v1"
BUILD_TYPE = "urn:dawsos:build:release:v1"

# How a stage can end for good; what was stopped or waits will be looked at again.
FINAL_STATES = ("passed", "restored", "skipped", "failed", "timeout", "rejected", "rolled_back")


def utc(seconds: float | None) -> str | None:
    """Return the time as RFC 3339 with microseconds, None for None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def statement(kind: str, subject: tuple[str, str, str], predicate: dict[str, Any]) -> dict[str, Any]:
    """Return a statement about ``subject`` = (name, algorithm, digest)."""
    name, algorithm, digest = subject
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {algorithm: digest}}],
        "predicateType": kind,
        "predicate": predicate,
    }


def release_subject(digest: str) -> tuple[str, str, str]:
    """Return the subject that is a release."""
    return ("release", "sha256", digest)


def about_stage(run: Run, stage: StageRecord, approval: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the predicate about ``stage``: what ran with which tools, its gates with values and limits, its evidence.

    ``approval`` is the stage's rule of approvals.
    """
    restored = None
    if stage.state == "restored":
        restored = {
            "run": stage.from_run,
            "statement": {"name": original_name(stage.id), "digest": {"sha256": stage.original}},
            "meaning": "not run for this release: its inputs are those of the run named here, in which it passed",
        }
    return {
        "stage": stage.id,
        "run": run.id,
        "commit": run.commit,
        "definition": {"sha256": run.definition},
        "profile": run.profile,
        "result": stage.state,
        "reason": stage.reason,
        "hotfix": str(run.options.get("hotfix") or ""),
        "restored": restored,
        "startedOn": utc(stage.started_at),
        "finishedOn": utc(stage.finished_at),
        "attempt": stage.attempt,
        "fingerprint": stage.fingerprint,
        "tools": {"dawsos": __version__, **stage.tools},
        "steps": [asdict(step) for step in stage.steps],
        "gates": [gate.body() for gate in stage.gates],
        "approval": approval,
        "folder": evidence_folder(stage),
        "evidence": stage.evidence,
    }


def stage_for_release(run: Run, stage: StageRecord, approval: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the statement that binds the stage to the run's release."""
    return statement(STAGE, release_subject(run.release), about_stage(run, stage, approval))


def stage_for_inputs(run: Run, stage: StageRecord, approval: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the statement that is kept with the stage's cached result."""
    subject = (f"inputs of {stage.id}", "sha256", stage.fingerprint)
    return statement(STAGE, subject, about_stage(run, stage, approval))


def evidence_folder(stage: StageRecord) -> str:
    """Return where the evidence lies, relative to the run's folder; what is restored is copied into the first attempt."""
    return f"{stage.id}/attempt-{1 if stage.state == 'restored' else max(1, stage.attempt)}"


def original_name(stage: str) -> str:
    """Return the name of the file with a restored stage's first statement."""
    return f"{stage}.original.json"


def approval_name(stage: str, number: int) -> str:
    """Return the name of the file with the ``number``-th decision of a stage."""
    return f"{stage}.approval-{number}.json"


def approval(run: Run, record: ApprovalRecord, role: str) -> dict[str, Any]:
    """Return the statement of a person's decision."""
    predicate = {
        "run": run.id,
        "stage": record.stage,
        "role": role,
        "digest": record.digest,
        "decision": record.decision,
        "name": record.name,
        "reason": record.reason,
        "how": record.how,
        "decidedOn": utc(record.at),
        "expires": record.expires_at,
    }
    return statement(APPROVAL, release_subject(run.release), predicate)


def provenance(run: Run, stage: StageRecord, materials: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the SLSA v1 provenance of the run's release, built by ``stage`` from ``materials`` (resource descriptors).

    SLSA has no word for "restored": the build's own times and run are those of the stage's statement beside it.
    """
    restored = stage.state == "restored"
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"commit": run.commit, "ref": run.ref, "profile": run.profile},
            "internalParameters": {"builder": run.builder, "fingerprint": stage.fingerprint, "tools": stage.tools},
            "resolvedDependencies": [
                {"name": "source", "digest": {"gitCommit": run.commit}},
                {"name": "pipeline.yaml", "digest": {"sha256": run.definition}},
                *materials,
            ],
        },
        "runDetails": {
            "builder": {"id": f"urn:dawsos:builder:{run.builder}", "version": {"dawsos": __version__}},
            "metadata": {
                "invocationId": stage.from_run if restored else run.id,
                **({} if restored else {"startedOn": utc(stage.started_at), "finishedOn": utc(stage.finished_at)}),
            },
            "byproducts": [_image(name, digest) for name, digest in sorted(run.images.items())],
        },
    }
    return statement(PROVENANCE, release_subject(run.release), predicate)


def _image(name: str, digest: str) -> dict[str, Any]:
    return {"name": f"image {name}", "digest": {"sha256": digest.removeprefix("sha256:")}}


def verified_image(
    run: Run, image: tuple[str, str], environment: str, at: float, inputs: Mapping[str, str]
) -> dict[str, Any]:
    """Return SLSA's summary that the release with ``image`` = (name, digest) passed all that ``environment`` demands.

    ``inputs`` maps the name of each statement that was verified to the SHA-256 of its file.
    """
    name, digest = image
    predicate = {
        "verifier": {"id": "urn:dawsos:verifier:production-gates", "version": {"dawsos": __version__}},
        "timeVerified": utc(at),
        "resourceUri": f"urn:dawsos:image:{name}@{digest}",
        "policy": {"uri": f"urn:dawsos:policy:{environment}", "digest": {"sha256": run.definition}},
        "inputAttestations": [{"uri": uri, "digest": {"sha256": found}} for uri, found in sorted(inputs.items())],
        "verificationResult": "PASSED",
        # No level of SLSA is claimed.
        "verifiedLevels": ["DAWSOS_PRODUCTION_GATES"],
        "slsaVersion": "1.1",
        "environment": environment,
        "release": run.release,
        "commit": run.commit,
        "run": run.id,
    }
    return statement(VERIFIED, (f"image {name}", "sha256", digest.removeprefix("sha256:")), predicate)


def kept_journal(run: tuple[str, str], head: tuple[int, str], files: dict[str, str]) -> dict[str, Any]:
    """Return the statement that ``run`` (its id, its commit) has got to ``head`` (events, hash), with ``files`` name -> SHA-256."""
    predicate = {"run": run[0], "journal": {"events": head[0], "head": head[1]}, "files": files}
    return statement(JOURNAL, ("commit", "gitCommit", run[1]), predicate)


def summary(run: Run, head: tuple[int, str], files: dict[str, str]) -> dict[str, Any]:
    """Return the statement of how the run ended: ``head`` is (events, hash) of its journal, ``files`` maps name -> SHA-256.

    A run that built or rolled out no release is about its commit.
    """
    release = run.release or (run.rollout.release if run.rollout else "")
    predicate = {
        "run": run.id,
        "command": run.command,
        "commit": run.commit,
        "result": run.result,
        "exitCode": run.exit_code,
        "reason": run.reason,
        "hotfix": str(run.options.get("hotfix") or ""),
        "stages": {stage.id: stage.state for stage in run.stages.values()},
        "journal": {"events": head[0], "head": head[1]},
        "files": files,
    }
    return statement(SUMMARY, release_subject(release) if release else ("commit", "gitCommit", run.commit), predicate)

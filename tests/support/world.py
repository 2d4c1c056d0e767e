"""A small project whose ship is told by hand: real journal, real key, real files, no processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import tree_digests
from dawsos.config.load import load_pipeline
from dawsos.model.events import Event
from dawsos.model.pipeline import Pipeline
from dawsos.model.run import RolloutRecord
from dawsos.ports import Signer
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.runs.evidence import keep_original, write_statements
from dawsos.runs.project import Project, Tools, gate_options, open_tools
from dawsos.runs.recorder import Session
from support.facts import fact

RELEASE = "ab" * 32
COMMIT = "c0ffee" + "0" * 34
PIPELINE = """
version: 2
name: tiny
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
service: {project: ., requirements: requirements.txt, command: python -m http.server}
environments: {staging: {}, production: {}}
stages:
  - {id: lint, steps: [{run: "true"}], gates: [exit_status]}
  - {id: unit, needs: [lint], steps: [{run: "true"}], gates: [exit_status, junit]}
  - {id: chaos, needs: [unit], hotfix_skips: true, steps: [{run: "true"}], gates: [exit_status]}
  - {id: build, needs: [chaos], uses: release, gates: [exit_status]}
  - id: uat
    needs: [build]
    steps: [{run: "true"}]
    gates: [exit_status]
    approval: {role: product owner, of: [Ada, Bob, Cy], needed: 2, expires: 1h}
  - {id: canary, needs: [uat], uses: rollout, environment: production, gates: [rollout]}
rollout:
  ladder: [{weight: 100, duration: 1s}]
"""


class Silent:
    """A reporter that says nothing."""

    def notice(self, event: Event) -> None: ...
    def suspend(self) -> None: ...
    def close(self) -> None: ...


class Heard(Silent):
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.suspended = 0
        self.closed = 0

    def notice(self, event: Event) -> None:
        self.kinds.append(event.kind)

    def suspend(self) -> None:
        self.suspended += 1

    def close(self) -> None:
        self.closed += 1


@dataclass
class World:
    tools: Tools
    pipeline: Pipeline
    session: Session

    @property
    def folder(self) -> Path:
        return self.tools.project.run_folder(self.session.id)

    def files(self) -> list[Path]:
        """Return every file of the run but its lock."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock")

    def run_stage(self, stage: str, *, result: str = "passed", **gate: Any) -> None:
        """Tell how ``stage`` ran: some files of evidence and its gates' verdicts."""
        artifacts = self.session.artifacts(stage)
        artifacts.mkdir(parents=True, exist_ok=True)
        if not (artifacts / "steps.json").exists():
            (artifacts / "steps.json").write_text(f'[{{"stage": "{stage}"}}]\n')
            (artifacts / "junit.xml").write_text("<testsuite/>\n")
        record = self.session.record
        if stage not in self.session.state.stages or not self.session.state.stages[stage].gates:
            record(fact("stage_started", fingerprint="f1" * 32, tools={"python": "3.11"}, attempt=1), stage)
            for one in self.pipeline.stage(stage).gates:
                record(fact("gate_evaluated", **self.verdict(one.name, **gate)), stage)
        record(fact("stage_finished", result=result, seconds=1.0, reason="", evidence=tree_digests(artifacts)), stage)

    def verdict(self, name: str, **changes: Any) -> dict[str, Any]:
        told = {
            "gate": name, "kind": "exit_status", "result": "pass", "measured": "0", "limit": "0", "message": "",
            "evidence": ["steps.json"], "findings": [], "valid_until": None,
        }  # fmt: skip
        return {**told, **changes}

    def restore_stage(self, stage: str, signer: Signer | None = None, beside: Mapping[str, str] | None = None) -> None:
        """Tell that ``stage`` was restored: its first statement is of another run and release, and maybe of another key."""
        artifacts = self.session.artifacts(stage)
        artifacts.mkdir(parents=True, exist_ok=True)
        (artifacts / "steps.json").write_text("[]\n")
        evidence = tree_digests(artifacts)
        first = Session(self.tools, "the-first-run", [Silent()])
        first.record(fact("run_started", command="ship", commit="f" * 40, stages=[stage]))
        first.record(fact("stage_started", fingerprint="f2" * 32, attempt=1), stage)
        gates = [self.verdict(gate.name) for gate in self.pipeline.stage(stage).gates]
        for gate in gates:
            first.record(fact("gate_evaluated", **gate), stage)
        first.record(fact("stage_finished", result="passed", seconds=1.0, reason="", evidence=evidence), stage)
        said = statements.stage_for_inputs(first.state, first.state.stages[stage], None)
        signed = dsse.sign(said, signer or self.tools.signer())
        original = keep_original(self.tools, self.session.id, stage, signed, beside or {})
        self.session.record(
            fact(
                "stage_restored",
                fingerprint="f2" * 32,
                from_run=first.id,
                finished_at=1.0,
                evidence=evidence,
                original=original,
            ),
            stage,
        )
        for gate in gates:
            self.session.record(fact("gate_evaluated", **gate), stage)

    def build(self) -> None:
        self.session.record(fact("release_built", release=RELEASE, commit=COMMIT, builder="bundle", bytes=1), "build")
        self.run_stage("build")

    def attest(self) -> None:
        write_statements(self.tools, self.pipeline, self.session.state)


def rollout_of(session: Session) -> RolloutRecord:
    """Return the rollout of a run; fails when it has none."""
    assert session.state.rollout is not None
    return session.state.rollout


@cache
def pipeline_of(text: str) -> Pipeline:
    """Return the pipeline written in ``text``; it is a frozen value, and reading it takes a tenth of a second."""
    return load_pipeline(text, "pipeline.yaml", gate_options())


def world(home: Path, **options: Any) -> World:
    """Return a project with a ship that has just begun."""
    home.mkdir(parents=True, exist_ok=True)
    tools = open_tools(Project(home, home / ".dawsos"))
    pipeline = pipeline_of(PIPELINE)
    session = Session(tools, "20260301-120000-c0ffee0-aa", [Silent()])
    session.record(
        fact(
            "run_started",
            command="ship",
            commit=COMMIT,
            ref="main",
            profile="laptop",
            definition="d" * 64,
            stages=[stage.id for stage in pipeline.stages],
            options=options,
        )
    )
    return World(tools, pipeline, session)


def written_as_version_1(folder: Path) -> None:
    """Write the ``pipeline.yaml`` of ``folder`` as it was in version 1: limits below the rollout, no environments."""
    path = folder / "pipeline.yaml"
    lines = (
        path.read_text()
        .replace("version: 2", "version: 1")
        .replace("rollout:\n", "rollout:\n  error_rate: 1%\n  p95: 1s\n")
    )
    path.write_text("".join(line for line in lines.splitlines(keepends=True) if not line.startswith("environments:")))

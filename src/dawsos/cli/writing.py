"""Carries out the verbs about the pipeline file: init, lint and export."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from dawsos.cli.output import here, print_json
from dawsos.errors import BadInput


def init(  # noqa: PLR0913 - one for each option
    *, kind: str, app: str, health: str, tests: str, baseline: bool, lists: bool, needs: tuple[str, ...]
) -> int | None:
    """``dawsos init``."""
    from dawsos.adoption.contract import Answers
    from dawsos.cli.console import make_console, say
    from dawsos.errors import EXIT_GATE_FAILED
    from dawsos.verbs.init import init as adopt

    console = make_console()
    answers = Answers(kind=kind, app=app, health=health, tests=tests, needs=needs, baseline=baseline)
    if lists:
        from dawsos.verbs.init import make_lists

        names = make_lists(Path.cwd(), answers, lambda what: say(console, f"{what} ..."))
        say(console, f"written   {', '.join(names)}\nnext      git add them and commit")
        return None
    adopted = adopt(Path.cwd(), answers, lambda what: say(console, f"{what} ..."))
    for what, value in adopted.draft.found:
        say(console, f"{what:9} {value}")
    for lacking in adopted.draft.missing:
        say(console, f"remark    {lacking}")
    say(console, f"written   {', '.join(adopted.written)}")
    if adopted.until is not None:
        say(console, f"baseline  {adopted.waived} findings are exceptions until {adopted.until}")
    for red in adopted.red:
        say(console, f"red       {red}")
    ships = bool(adopted.draft.service)
    say(console, f"next      git add them and commit, then dawsos run{', then dawsos ship' if ships else ''}")
    return EXIT_GATE_FAILED if adopted.red else None


def lint(*, manifest: str, traffic: str, fix: bool, as_json: bool) -> int | None:
    """``dawsos lint``; with a Flagger manifest 1 when something of that cannot work."""
    if manifest:
        if fix:
            raise BadInput(
                "--fix upgrades pipeline.yaml, and a Flagger manifest is only read", fix="leave one of the two out"
            )
        from dawsos.cli.judging import lint_manifest

        return lint_manifest(Path(manifest), traffic, as_json=as_json)
    from dawsos.model.units import format_duration
    from dawsos.verbs.lint import lint as check
    from dawsos.verbs.lint import upgrade_pipeline

    changed = upgrade_pipeline(here()) if fix else []
    facts = check(here())
    ladder = " ".join(map(str, facts.ladder))
    rollback_after = f"{facts.failed_checks} failed checks of {format_duration(facts.check_interval)}"
    if as_json:
        print_json({
            "stages": facts.stages, "gates": facts.gates, "ladder": ladder, "rollout_seconds": facts.rollout_seconds,
            "rollback_after": rollback_after, "cores": os.cpu_count(), "changed": changed,
            "remarks": facts.remarks,
        })  # fmt: skip
        return None
    from dawsos.cli.console import make_console, say

    console = make_console()
    for change in changed:
        say(console, f"changed  {change}")
    console.print(f"pipeline.yaml is good: {len(facts.stages)} stages, {facts.gates} gates", markup=False)
    for remark in facts.remarks:
        say(console, f"remark   {remark}")
    within = format_duration(facts.rollout_seconds)
    # The statistical judge leaves to this rule what it cannot compare with a stable release.
    where = " at 100 % and for a first release" if facts.judge == "statistical" else ""
    console.print(f"rollout: {ladder} % within {within}", markup=False)
    console.print(f"judge: {facts.judge}; rolls back after {rollback_after}{where}", markup=False)
    return None


def export(*, names: tuple[str, ...], check: bool, out: Path | None, as_json: bool) -> int | None:
    """``dawsos export``; with --check 1 when a file is not what pipeline.yaml gives."""
    from dawsos.errors import EXIT_GATE_FAILED
    from dawsos.verbs.export import export as make

    made = make(here(), names, check=check, out=out)
    failed = EXIT_GATE_FAILED if check and not made.current else None
    if as_json:
        print_json(asdict(made) | {"current": made.current})
        return failed
    from dawsos.cli.console import make_console, say

    console = make_console()
    for file in made.files:
        say(console, f"{file.state:8} {file.path}")
        if check and file.diff:
            say(console, file.diff)
    if failed is not None:
        console.print("these files are not what pipeline.yaml gives: run dawsos export, and remove what is stale")
    elif made.unlisted and not check:
        listed = ", ".join(f"{name}: {{}}" for name in made.unlisted)
        console.print(f"add exports: {{{listed}}} to pipeline.yaml, and --check compares them", markup=False)
    return failed

"""Carries out the verbs that only look: calls the verb and shows what it returns, as text or as JSON.

Each function loads its own verb and no other, because a command that only looks must start at once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dawsos.cli.output import here, print_json, print_text
from dawsos.errors import EXIT_DONE, EXIT_GATE_FAILED

if TYPE_CHECKING:
    from dawsos.verbs.evidence import ReleaseEvidence
    from dawsos.verbs.show import ShownRun


def plan(*, stages: tuple[str, ...], of_ship: bool, explain: bool, profile: str, as_json: bool) -> None:
    """``dawsos plan``."""
    from dawsos.verbs.plan import plan as make_plan

    made = make_plan(here(), stages, profile, of_ship=of_ship)
    if as_json:
        rows = [
            {
                "stage": one.stage,
                "action": one.action,
                "reason": one.reason,
                "changes": one.changes,
                "fingerprint": one.fingerprint and one.fingerprint.digest,
            }
            for one in made.stages
        ]
        print_json({"stages": rows, "remarks": made.remarks})
        return
    from dawsos.cli import console, tables

    shown = console.make_console()
    shown.print(tables.plan_table(made, explain))
    for remark in made.remarks:
        console.say(shown, f"remark   {remark}")


def status(*, as_json: bool) -> None:
    """``dawsos status``."""
    from dawsos.verbs.status import status as look

    found = look(here())
    if as_json:
        print_json(asdict(found))
        return
    from dawsos.cli.console import make_console
    from dawsos.cli.tables import status_text

    console = make_console()
    console.print(status_text(found, ascii_only=console.options.ascii_only))


def history(*, as_json: bool) -> None:
    """``dawsos history``."""
    from dawsos.verbs.history import history as look

    runs = look(here())
    if as_json:
        print_json([asdict(run) for run in runs])
        return
    from dawsos.cli.console import make_console
    from dawsos.cli.tables import history_table

    console = make_console()
    console.print(history_table(runs, ascii_only=console.options.ascii_only))


def show(*, run_id: str, as_json: bool) -> None:
    """``dawsos show``."""
    from dawsos.verbs.show import show as look

    found = look(here(), run_id)
    if as_json:
        print_json(run_json(found))
    else:
        _print_run(found)


def run_json(found: ShownRun) -> dict[str, Any]:
    """Return what ``dawsos show --json`` prints."""
    from dawsos.reporting.record import run_to_json

    return {**run_to_json(found.run), "journal_problems": found.problems, "report": str(found.report)}


def _print_run(found: ShownRun) -> None:
    from dawsos.cli.console import make_console, say
    from dawsos.reporting.tables import render_run

    console, run = make_console(), found.run
    console.print(render_run(run, ascii_only=console.options.ascii_only))
    intact = f"intact, {run.last_seq} events" + ("" if run.unfinished else ", summary signed")
    say(console, f"journal  {'; '.join(found.problems) if found.problems else intact}")
    say(console, f"report   {found.report}")


def evidence(*, release: str, check: bool, as_json: bool) -> int:
    """``dawsos evidence``; 1 when a check found something wrong."""
    from dawsos.verbs.evidence import evidence as look

    found = look(here(), release, check=check)
    if as_json:
        verdict = {} if found.problems is None else {"verified": not found.problems, "problems": found.problems}
        rows = [asdict(one) for one in found.statements]
        run = found.run
        print_json({"release": run.release, "run": run.id, "commit": run.commit, "statements": rows, **verdict})
    else:
        _print_evidence(found)
    return EXIT_GATE_FAILED if found.problems else EXIT_DONE


def _print_evidence(found: ReleaseEvidence) -> None:
    from dawsos.cli.console import make_console, say
    from dawsos.cli.tables import evidence_table

    console = make_console()
    console.print(evidence_table(found.run, found.statements))
    say(console, f"folder   {found.folder}")
    for problem in found.problems or ():
        say(console, f"wrong    {problem}")
    if found.problems == ():
        count = len(found.statements)
        say(
            console, f"verified {count} statements, their evidence, the journal and the summary are as they were signed"
        )


def verify(*, as_json: bool) -> int:
    """``dawsos verify``; 1 when a check failed."""
    from dawsos.verbs.verify import verify as look

    found = look(here())
    if as_json:
        print_json({"checks": [asdict(check) for check in found.checks], **found.counts()})
    else:
        from dawsos.cli.console import make_console
        from dawsos.cli.tables import verification_lines

        console = make_console()
        for line in verification_lines(found.checks, found.counts()):
            console.print(line, soft_wrap=True)
    return EXIT_DONE if found.passed else EXIT_GATE_FAILED


def metrics(*, listen: int | None) -> None:
    """``dawsos metrics``."""
    from dawsos.verbs import metrics as verb

    if listen is None:
        print_text(verb.metrics(here()))
    else:
        verb.listen(here(), listen, _say_where)


def _say_where(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    print_text(f"metrics  {url}/metrics\ntargets  {url}/targets\n")

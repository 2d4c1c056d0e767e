"""The grammar of the command line, and the one place where errors become messages and exit codes.

Exit codes: 0 done; 1 a gate failed or a person said no; 2 bad input; 3 infrastructure; 4 rolled back;
75 waiting for an approval; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dawsos.cli.scan import EPILOG, scan
from dawsos.errors import EXIT_INFRASTRUCTURE, DawsosError

app = typer.Typer(
    name="dawsos",
    help="Takes a commit to production: gated stages, a canary rollout, automatic rollback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EPILOG,
)
app.add_typer(scan, name="scan")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Profile = Annotated[str, typer.Option(help="Rollout timing: laptop (seconds) or production (as in the file).")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Run every stage, restore none.")]


def main() -> None:
    """Run the command line; every error ends here."""
    # We have no plugins for pydantic, and to look for some means to read what every installed package says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    # Loading makes many objects and no garbage; to look for some again and again takes a sixth of the start.
    gc.set_threshold(50_000, 20, 20)
    try:
        app(prog_name="dawsos", standalone_mode=True)
    except DawsosError as error:
        _say_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say_error("stopped; `dawsos resume` goes on from the first unfinished stage")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:  # the one boundary: a defect of ours, shown with what a report needs
        _say_error("this is a defect of dawsos; please report it with these lines:\n" + traceback.format_exc())
        sys.exit(EXIT_INFRASTRUCTURE)


def _say_error(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"dawsos: {text}", markup=False)


class _Steadfast(Console):
    """Writes on into nothing when nobody reads any more: a run must not end half done because its ``| head`` did."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console() -> Console:
    console = _Steadfast(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width: do not cut tables at the 80 columns that rich assumes.
        console.width = 200
    return console


def _project() -> Any:
    from dawsos.runs.project import find_project

    return find_project(Path.cwd())


def _reporter(pipeline: Any, stages: Sequence[Any]) -> Any:
    from dawsos.adapters.clock import SystemClock
    from dawsos.reporting.terminal import TerminalReporter

    console = _console()
    live = console.is_terminal and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    titles = [(stage.id, stage.title or stage.id, stage.budget) for stage in stages]
    annotate = os.environ.get("GITHUB_ACTIONS") == "true"
    return TerminalReporter(titles, console, SystemClock(), live, annotate=annotate)


def _end(ended: Any) -> None:
    console = _console()
    console.print(f"report   {ended.report}", markup=False, soft_wrap=True)
    if ended.url and ended.exit_code == 0:
        console.print(f"service  {ended.url}", markup=False, soft_wrap=True)
    if ended.exit_code == 75:
        console.print(f"approve  dawsos approve {ended.run} --as NAME --reason TEXT", markup=False, soft_wrap=True)
        console.print(f"then     dawsos resume {ended.run}", markup=False, soft_wrap=True)
    raise typer.Exit(ended.exit_code)


@app.command(epilog=EPILOG)
def ship(
    approve_as: Annotated[str, typer.Option(help="Give the product owner's approval beforehand, as this person.")] = "",
    reason: Annotated[str, typer.Option(help="Why; needed with --approve-as.")] = "",
    profile: Profile = "laptop",
    no_cache: NoCache = False,
    hotfix: Annotated[
        str, typer.Option(help="Skip the stages marked hotfix_skips; the text is the recorded reason.")
    ] = "",
) -> None:
    """Take HEAD through every stage to 100 % of production.

    Example: dawsos ship --approve-as "Ada" --reason "sprint 12, demo accepted"
    """
    from dawsos.errors import BadInput
    from dawsos.verbs import ship as verbs

    if approve_as and not reason:
        raise BadInput("--approve-as needs --reason", fix='for example --approve-as Ada --reason "demo accepted"')
    options = verbs.Options(profile=profile, approve_as=approve_as, reason=reason, no_cache=no_cache, hotfix=hotfix)
    _end(verbs.ship(_project(), options, _reporter))


@app.command(epilog=EPILOG)
def run(
    stages: Annotated[list[str] | None, typer.Argument(help="Stage ids; what they need runs as well.")] = None,
    no_cache: NoCache = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Replay with the seed that an earlier run's gate shows.")
    ] = None,
    profile: Profile = "laptop",
) -> None:
    """Run stages on the working tree as it is, uncommitted changes included; nothing is deployed.

    Example: dawsos run lint unit
    """
    from dawsos.verbs import ship as verbs

    _end(
        verbs.run(
            _project(),
            verbs.Options(profile=profile, stages=tuple(stages or ()), no_cache=no_cache, seed=seed),
            _reporter,
        )
    )


@app.command(epilog=EPILOG)
def resume(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]", help="Default: the newest unfinished run.")] = "",
) -> None:
    """Go on with a run that was killed or that waited, from its first unfinished stage."""
    from dawsos.verbs import ship as verbs

    _end(verbs.resume(_project(), run_id, _reporter))


@app.command(epilog=EPILOG)
def plan(
    stages: Annotated[list[str] | None, typer.Argument(help="Stage ids.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Name every input that changed.")] = False,
    as_json: Json = False,
) -> None:
    """Show what would run, what would be restored from the cache, and why."""
    from dawsos.verbs import reading

    reading.show_plan(_project(), tuple(stages or ()), explain=explain, as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def status(as_json: Json = False) -> None:
    """Show what serves now, which processes run, and which runs are unfinished."""
    from dawsos.verbs import reading

    reading.show_status(_project(), as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def history(as_json: Json = False) -> None:
    """List the runs, the newest last."""
    from dawsos.verbs import reading

    reading.show_history(_project(), as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def show(run_id: Annotated[str, typer.Argument(metavar="[RUN]")] = "last", as_json: Json = False) -> None:
    """Show one run: stages, gates, rollout, approvals, and whether its journal is intact."""
    from dawsos.verbs import reading

    reading.show_run(_project(), run_id, as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def evidence(
    release: Annotated[
        str, typer.Argument(metavar="[RELEASE]", help="A release, commit or run; default: the last.")
    ] = "last",
    check: Annotated[bool, typer.Option("--verify", help="Check signatures, digests, approvals and waivers.")] = False,
    as_json: Json = False,
) -> None:
    """List the signed statements that speak for a release; with --verify, end with 1 when one does not hold."""
    from dawsos.verbs import reading

    raise typer.Exit(reading.show_evidence(_project(), release, check=check, as_json=as_json, console=_console()))


def _decide(run_id: str, decision: str, name: str, reason: str) -> None:
    from dawsos.runs.approvals import decide
    from dawsos.runs.project import open_tools

    found, digest = decide(open_tools(_project()), run_id, decision=decision, name=name, reason=reason)
    _console().print(f"{decision} {digest[:12]} of run {found} as {name}\nnext     dawsos resume {found}", markup=False)


@app.command(epilog=EPILOG)
def approve(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]")] = "last",
    name: Annotated[str, typer.Option("--as", help="Who approves.")] = ...,  # type: ignore[assignment]
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Approve the digest that a waiting run asks for; `dawsos resume` then goes on."""
    _decide(run_id, "approved", name, reason)


@app.command(epilog=EPILOG)
def reject(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]")] = "last",
    name: Annotated[str, typer.Option("--as", help="Who rejects.")] = ...,  # type: ignore[assignment]
    reason: Annotated[str, typer.Option(help="Why.")] = ...,  # type: ignore[assignment]
) -> None:
    """Reject the digest that a waiting run asks for; nothing of it goes to production."""
    _decide(run_id, "rejected", name, reason)


@app.command(epilog=EPILOG)
def rollback(
    to: Annotated[str, typer.Option(help="A release digest or commit; default: the release before.")] = "",
    name: Annotated[str, typer.Option("--as", help="Who asks for it.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "asked for by hand",
) -> None:
    """Bring production back at once: end a rollout under way, else return to the release before.

    Example: dawsos rollback --reason "wrong totals on the dashboard"
    """
    import getpass

    from dawsos.verbs import operations

    _end(operations.rollback(_project(), to, name or getpass.getuser(), reason, _reporter))


@app.command(epilog=EPILOG)
def verify(as_json: Json = False) -> None:
    """Check production: version of /health, latest page, nightly order, metrics; and every journal's chain.

    An environment that is down (after dawsos down, or a restart of the machine) is started from its data first.
    """
    from dawsos.verbs import reading

    raise typer.Exit(reading.verify(_project(), as_json=as_json, console=_console()))


@app.command(epilog=EPILOG)
def drill(
    fault: Annotated[str, typer.Option(help="errors=5%, latency=2s, slow=3%, errors=5%@/path, crash, pack ..., none.")],
    profile: Profile = "laptop",
) -> None:
    """Prove the rollback: a canary of the serving release with a fault; ends with exit code 4 when it was rolled back.

    Example: dawsos drill --fault errors=5%
    """
    from dawsos.verbs import operations

    _end(operations.drill(_project(), fault, profile, _reporter))


@app.command(epilog=EPILOG)
def lint(
    manifest: Annotated[str, typer.Argument(metavar="[FLAGGER.yaml]", help="A Flagger Canary to read instead.")] = "",
    traffic: Annotated[str, typer.Option(help="Requests a second in all, to simulate the manifest with.")] = "200rps",
    as_json: Json = False,
) -> None:
    """Check pipeline.yaml and say what it means; or say what a Flagger manifest will really do, and simulate it."""
    from dawsos.verbs import judging, reading

    if manifest:
        raise typer.Exit(judging.lint_manifest(Path(manifest), traffic, as_json=as_json, console=_console()))
    reading.lint(_project(), as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def init() -> None:
    """Write the first pipeline.yaml of the Python project in this folder, from what it has; overwrites nothing.

    Example: dawsos init && git add . && git commit -m "dawsos" && dawsos run
    """
    from dawsos.verbs.init import init as adopt

    found, written = adopt(Path.cwd())
    console = _console()
    for what, value in found.describe():
        console.print(f"{what:9} {value}", markup=False, soft_wrap=True)
    console.print(f"written   {', '.join(written)}\nnext      commit them, then dawsos run", markup=False)


@app.command(epilog=EPILOG)
def simulate(  # noqa: PLR0913 - one parameter an option
    policy: Annotated[
        str, typer.Argument(help="production, a profile of pipeline.yaml, or a Flagger manifest.")
    ] = "production",
    traffic: Annotated[str, typer.Option(help="Requests a second in all.")] = "200rps",
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="errors=5%, latency=2s, slow=3%, late=5%, aa, burst, outage-both ...; repeatable."),
    ] = None,
    rollouts: Annotated[int, typer.Option(help="How many.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rollouts.")] = 7,
    picture: Annotated[str, typer.Option(help="Write the curves to this SVG file.")] = "",
    as_json: Json = False,
) -> None:
    """Simulate rollouts: when a bad canary is out, at what cost, and how often a good one; beside thresholds and Flagger.

    Example: dawsos simulate --traffic 200rps --scenario errors=5% --scenario burst
    """
    from dawsos.verbs import judging

    wish = judging.SimulationRequest(
        policy,
        traffic,
        tuple(scenario or judging.SimulationRequest.scenarios),
        rollouts,
        seed,
        Path(picture) if picture else None,
    )
    project = None if policy.endswith((".yaml", ".yml")) else _project()
    judging.simulate(project, wish, as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def replay(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]")] = "last",
    policy: Annotated[str, typer.Option(help="production, a profile, or a Flagger manifest. Default: the run's.")] = "",
    as_json: Json = False,
) -> None:
    """Judge a recorded rollout again, by each judge: when would it have been rolled back?"""
    from dawsos.verbs import judging

    judging.show_replay(_project(), run_id, policy, as_json=as_json, console=_console())


@app.command(epilog=EPILOG)
def down(
    purge: Annotated[bool, typer.Option("--purge", help="Delete databases and releases' data, too.")] = False,
) -> None:
    """Stop every process of every environment. History, cache and databases stay, unless --purge."""
    import asyncio

    from dawsos.verbs import operations

    names = asyncio.run(operations.take_down(_project(), purge=purge))
    _console().print(f"down: {', '.join(names) or 'nothing was running'}", markup=False)


def print_json(value: object) -> None:
    """Print ``value`` as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


if __name__ == "__main__":
    main()

"""The grammar of ``dawsos scan``: what steps of a stage call to make evidence for the gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Exit codes: 0 done, 1 gate failed, 2 bad input, 3 infrastructure, 4 rolled back, 75 waiting for approval, 130 stopped."

scan = typer.Typer(
    help="Make evidence for the gates; steps of a stage call these by name.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)
Out = Annotated[Path, typer.Option("--out", help="The JSON file to write.")]


@scan.command("secrets", epilog=EPILOG)
def scan_secrets(
    out: Out,
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders to look through; default: what git tracks here.")
    ] = None,
    since: Annotated[str, typer.Option(help="Look at the commits after this revision; default: all.")] = "",
    commits: Annotated[bool, typer.Option("--commits/--no-commits", help="Look at commits at all.")] = True,
) -> None:
    """Look for keys, tokens and passwords in commits and files; no secret is ever written out.

    Example: dawsos scan secrets --out $ARTIFACTS/secrets.json
    """
    from dawsos.verbs import scan as scanning

    scanning.scan_secrets(Path.cwd(), out, since if commits else None, tuple(folders or ()))


@scan.command("advisories", epilog=EPILOG)
def scan_advisories(
    out: Out,
    export: Annotated[Path, typer.Option(help="An OSV export: .json, .jsonl, .jsonl.gz or .zip.")],
    resolved: Annotated[
        Path, typer.Option(help="What is depended upon: requirements.txt, package-lock.json or an SBOM.")
    ],
    ecosystem: Annotated[str, typer.Option(help="Of the packages, in OSV's words.")] = "PyPI",
) -> None:
    """Compare locked packages with an advisory database that you bring along.

    Example: dawsos scan advisories --export pypi.jsonl.gz --resolved requirements.txt --out $ARTIFACTS/osv.json
    """
    from dawsos.verbs import scan as scanning

    scanning.scan_advisories(out, export, resolved, ecosystem)


@scan.command("packages", epilog=EPILOG)
def scan_packages(
    out: Out,
    site: Annotated[Path, typer.Argument(help="A folder of installed Python packages.")],
    name: Annotated[str, typer.Option(help="Of what the bill of materials is.")] = "bundle",
    version: Annotated[str, typer.Option(help="Its version, for example the commit.")] = "0",
) -> None:
    """Write the SPDX bill of materials of a folder of installed Python packages.

    Example: dawsos scan packages $RELEASE/site --name backend --version $GIT_SHA --out $ARTIFACTS/sbom.json
    """
    from dawsos.verbs import scan as scanning

    scanning.scan_packages(out, site, name, version)

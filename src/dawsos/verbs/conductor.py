"""What runs in the pod of a conductor beside ``dawsos resume``, as ``python -m dawsos.verbs.conductor``:

receive    take the files of the commit from the cluster, before the rollout is taken over
check      say in one line of JSON whether a rollout could be conducted here
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from dawsos import __version__
from dawsos.adapters.identity import SIGNING_KEY
from dawsos.errors import BadInput, DawsosError
from dawsos.platforms.kubernetes import receiving
from dawsos.platforms.kubernetes.job_objects import WORK
from dawsos.platforms.kubernetes.target import Target
from dawsos.provenance.keys import given_signer


def receive(arguments: argparse.Namespace) -> int:
    """Take the files of the commit from the cluster."""
    target = Target(arguments.context, arguments.namespace, arguments.release, Path())
    asyncio.run(receiving.receive(target, arguments.job, arguments.commit, Path(arguments.work)))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Print what this pod lacks, and the public key of what it signs with."""
    told = asyncio.run(receiving.faults(arguments.namespace, arguments.gateway, arguments.variable))
    public = ""
    try:
        public = given_signer(os.environ.get(SIGNING_KEY, "")).pem.decode()
    except BadInput as error:
        told.append(f"its Secret: {error.message} ({error.fix})")
    print(json.dumps({"version": __version__, "public": public, "told": told}), flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Carry out one of the two; return the exit code."""
    parser = argparse.ArgumentParser(prog="conductor")
    actions = parser.add_subparsers(required=True)
    taking = actions.add_parser("receive")
    for name in ("context", "namespace", "release", "job", "commit"):
        taking.add_argument(f"--{name}", required=True)
    taking.add_argument("--work", default=WORK)
    taking.set_defaults(run=receive)
    checking = actions.add_parser("check")
    checking.add_argument("--namespace", required=True)
    checking.add_argument("--gateway")
    checking.add_argument("--variable", action="append", default=[])
    checking.set_defaults(run=check)
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
        return code
    except DawsosError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())

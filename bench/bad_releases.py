#!/usr/bin/env python3
"""Real releases that are bad, or harmless, in their own code: who finds them, when, and how many users got a wrong answer.

    python bench/bad_releases.py run --results FILE [--only NAME ...] [--mode rollout|record] [--times N] [--rate 200] [--weight 5]
    python bench/bad_releases.py table --results FILE

Each release is a small service built from `bench/bad_service` (in Python, some in Go as well) and rolled out on the embedded
platform beside the good one, while users send `--rate` requests a second in all.  `rollout` lets our judge decide.  `record` leaves
the canary on the first step for `--seconds`, whatever it does, so that each judge can be asked about the same samples.  What is
in FILE is not done again; each line of it is one rollout.  `table` prints Markdown and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bad_kinds import KINDS
from bad_rollouts import Order, Place, keep
from bad_table import table

_PLACES: dict[int, Place] = {}


def one(order: Order, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make one rollout in this process's own environment."""
    place = _PLACES.setdefault(os.getpid(), Place(folder / f"place-{os.getpid()}", folder / "releases"))
    place.folder.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(place.carry_out(order))
    except Exception as error:
        traceback.print_exc()
        return {"release": order.kind.name, "mode": order.mode, "number": order.number, "failed": repr(error)}, []


def orders(asked: argparse.Namespace, done: list[dict[str, Any]]) -> list[Order]:
    """Return the rollouts that are still to be made."""
    known = {(told["release"], told["mode"], told["number"]) for told in done if "failed" not in told}
    sides = [kind for kind in KINDS if asked.which in ("all", "bad" if kind.bad else "harmless")]
    if asked.mode == "record":
        # Those that are found before traffic last: they say least about what the judges see.
        sides.sort(key=lambda kind: kind.declared)
    chosen = [kind for kind in sides if not asked.only or any(word in kind.name for word in asked.only)]
    rate = asked.rate / asked.at_once
    wanted = [
        Order(kind, asked.mode, n, rate, asked.weight, asked.seconds)
        for n in range(1, asked.times + 1)
        for kind in chosen
    ]
    return [order for order in wanted if (order.kind.name, order.mode, order.number) not in known]


def run(asked: argparse.Namespace) -> None:
    """Make the rollouts and append each to the results."""
    wanted = orders(asked, read(asked.results))
    print(f"{len(wanted)} rollouts, {asked.at_once} at once, {asked.rate:g} requests/s in all", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spawned = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(asked.at_once, mp_context=spawned) as pool:
                for future in as_completed([pool.submit(one, order, folder) for order in wanted]):
                    told, samples = future.result()
                    keep(asked.results.with_suffix(".samples"), told, samples)
                    with asked.results.open("a") as out:
                        out.write(json.dumps(told) + "\n")
                    print(_line(told), flush=True)
        finally:
            for place in folder.glob("place-*"):
                asyncio.run(Place(place, folder / "releases").close())


def _line(told: dict[str, Any]) -> str:
    if "failed" in told:
        return f"{told['release']:36} {told['mode']} {told['number']}: NOT DONE: {told['failed']}"
    return (
        f"{told['release']:36} {told['mode']} {told['number']}: {told['outcome']} {told['where']} "
        f"{told.get('seconds', 0)} s, {told.get('wrong', 0)} wrong, {told.get('rps', 0)} rps; {told['reason'][:150]}"
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Return the results so far; a release that was done again counts as it was the last time."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    last = {(told["release"], told["mode"], told["number"]): told for told in lines}
    return list(last.values())


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of releases")
    parser.add_argument("--which", choices=["all", "bad", "harmless"], default="all")
    parser.add_argument("--mode", choices=["rollout", "record"], default="rollout")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second of all rollouts together")
    parser.add_argument("--weight", type=int, default=5, help="of the canary on the first step, in per cent")
    parser.add_argument("--seconds", type=float, default=130.0, help="of a recording")
    asked = parser.parse_args(words)
    if asked.what == "run":
        run(asked)
    else:
        print(table(read(asked.results), asked.results.with_suffix(".samples")))


if __name__ == "__main__":
    main(sys.argv[1:])

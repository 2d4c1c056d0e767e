"""``dawsos admission``: the service in a cluster that refuses pods whose images nobody signed for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters.kubernetes import Cluster
from dawsos.adapters.pages import Endpoint, Page, serve_answers
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.names import STATEMENT_KEY, statement_name
from dawsos.platforms.kubernetes.names import Paths
from dawsos.provenance.admission import Review, Rule, answer, digest_of, problem, read_review
from dawsos.provenance.keys import LocalKeyring


@dataclass(frozen=True)
class Request:
    """How the service works: the folder with the public keys to believe, the environment, a file with images that need no
    statement, where it listens, and the context of the kubeconfig."""

    keys: Path
    environment: str
    allowed: Path | None
    where: Endpoint
    context: str


def admission(request: Request, ready: Callable[[int], None]) -> None:
    """Answer the API server's questions until TERM; ``ready`` gets the port.

    The keys and the file are read for each question, so that a key that is taken away is not believed any longer.  Raises BadInput for
    keys or a file that cannot be used at the start.
    """
    _keyring(request.keys)
    _allowed(request.allowed)
    asyncio.run(_serve(request, ready))


async def _serve(request: Request, ready: Callable[[int], None]) -> None:
    cluster = Cluster(request.context)

    async def validate(body: bytes) -> Page:
        return await _validate(body, request, cluster)

    async def healthy(_body: bytes) -> Page:
        return Page("healthy\n")

    try:
        await serve_answers({"/validate": validate, "/healthz": healthy}, request.where, ready)
    finally:
        await cluster.close()


async def _validate(body: bytes, request: Request, cluster: Cluster) -> Page:
    try:
        review = read_review(json.loads(body))
    except ValueError as error:
        return Page(f"{error}\n", status=400)
    try:
        keyring, rule = _keyring(request.keys), Rule(request.environment, _allowed(request.allowed))
        found = await _statements(review, rule, cluster)
        problems = [problem(image, found.get(image), keyring, rule) for image in review.images]
    except (BadInput, InfrastructureError) as error:
        # What cannot be looked at is refused, with the reason.
        problems = [f"the statements cannot be checked: {error.message}"]
    return Page(json.dumps(answer(review.uid, problems)), "application/json")


async def _statements(review: Review, rule: Rule, cluster: Cluster) -> Mapping[str, str]:
    """Return image -> the envelope that lies in the pod's namespace for it."""
    found, paths = {}, Paths(review.namespace)
    for image in review.images:
        digest = digest_of(image)
        if digest and image not in rule.allowed:
            kept: dict[str, Any] = await cluster.find(paths.of("configmaps", statement_name(digest))) or {}
            text = (kept.get("data") or {}).get(STATEMENT_KEY)
            if isinstance(text, str):
                found[image] = text
    return found


def _keyring(folder: Path) -> LocalKeyring:
    if not any(folder.glob("*.pub")):
        raise BadInput(
            f"{folder} has no public key (*.pub)", fix="mount the ConfigMap with the keys of those who may ship"
        )
    return LocalKeyring(folder)


def _allowed(path: Path | None) -> frozenset[str]:
    """Return the images that need no statement: one a line, by its digest; raises BadInput for any other line."""
    if path is None:
        return frozenset()
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}", fix="give a file with one image a line") from error
    images = frozenset(line for line in lines if line and not line.startswith("#"))
    wrong = sorted(image for image in images if not digest_of(image))
    if wrong:
        raise BadInput(f"{path}: {wrong[0]!r} is not named by its digest", fix="write NAME@sha256:...")
    return images

"""The admission service answers the API server's questions, and what it cannot look at it refuses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Unreachable
from dawsos.adapters.pages import Endpoint
from dawsos.errors import BadInput
from dawsos.model.names import STATEMENT_KEY, statement_name
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.keys import local_signer
from dawsos.provenance.statements import verified_image
from dawsos.verbs.admission import Request, _validate, admission

DIGEST = "sha256:" + "a1" * 32
IMAGE = f"registry.example.com/backend@{DIGEST}"


class Objects:
    """The objects of a cluster by their path; ``gone`` cannot be reached."""

    def __init__(self, *, gone: bool = False) -> None:
        self.objects: dict[str, Any] = {}
        self.gone, self.asked = gone, list[str]()

    async def find(self, path: str) -> Any:
        self.asked.append(path)
        if self.gone:
            raise Unreachable("the API server does not answer")
        return self.objects.get(path)


def request(folder: Path, **changes: Any) -> Request:
    local_signer(folder)
    return Request(
        **{"keys": folder, "environment": "production", "allowed": None, "where": Endpoint(), "context": "c", **changes}
    )


def reviewed(asked: Request, objects: Objects, *images: str) -> tuple[bool, str]:
    pod = {"spec": {"containers": [{"image": image} for image in images]}}
    body = {"request": {"uid": "u", "namespace": "live", "kind": {"kind": "Pod"}, "object": pod}}
    page = asyncio.run(_validate(json.dumps(body).encode(), asked, objects))  # type: ignore[arg-type]
    response = json.loads(page.text)["response"]
    return response["allowed"], response.get("status", {}).get("message", "")


def kept(objects: Objects, folder: Path) -> None:
    run = Run(id="r", release="d" * 64, commit="c" * 40, definition="e" * 64)
    text = dsse.sign(verified_image(run, ("backend", DIGEST), "production", 1.7e9, {}), local_signer(folder))
    path = f"/api/v1/namespaces/live/configmaps/{statement_name(DIGEST)}"
    objects.objects[path] = {"data": {STATEMENT_KEY: text}}


def test_a_signed_image_is_admitted_by_the_statement_in_its_namespace(tmp_path: Path) -> None:
    objects = Objects()
    kept(objects, tmp_path)
    assert reviewed(request(tmp_path), objects, IMAGE) == (True, "")
    assert objects.asked == [f"/api/v1/namespaces/live/configmaps/{statement_name(DIGEST)}"]
    assert reviewed(request(tmp_path), objects, IMAGE, "backend:1")[0] is False


@pytest.mark.parametrize("found", [None, {}, {"data": None}, {"data": {STATEMENT_KEY: 7}}, {"data": {"other": "x"}}])
def test_an_image_without_a_statement_is_refused(found: Any, tmp_path: Path) -> None:
    objects = Objects()
    objects.objects[f"/api/v1/namespaces/live/configmaps/{statement_name(DIGEST)}"] = found
    allowed, message = reviewed(request(tmp_path), objects, IMAGE)
    assert (allowed, "nobody signed that" in message) == (False, True)


def test_what_cannot_be_looked_at_is_refused_with_the_reason(tmp_path: Path) -> None:
    allowed, message = reviewed(request(tmp_path), Objects(gone=True), IMAGE)
    assert (allowed, "cannot be checked: the API server does not answer" in message) == (False, True)
    asked = request(tmp_path)
    for path in tmp_path.glob("*.pub"):
        path.unlink()
    assert "has no public key" in reviewed(asked, Objects(), IMAGE)[1]


def test_a_key_that_is_taken_away_is_not_believed_any_longer(tmp_path: Path) -> None:
    objects, asked = Objects(), request(tmp_path)
    kept(objects, tmp_path)
    other = local_signer(tmp_path / "other")
    assert reviewed(asked, objects, IMAGE)[0]
    (mine,) = tmp_path.glob("*.pub")
    mine.unlink()
    (theirs,) = (tmp_path / "other").glob("*.pub")
    theirs.rename(tmp_path / theirs.name)
    allowed, message = reviewed(asked, objects, IMAGE)
    assert (allowed, "which is not trusted here" in message, other.key_id in message) == (False, True, False)


def test_an_image_that_is_allowed_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(f"# proxies\n\n{IMAGE}\n")
    objects = Objects(gone=True)
    assert reviewed(request(tmp_path, allowed=tmp_path / "allowed"), objects, IMAGE) == (True, "")
    assert objects.asked == []


def test_it_does_not_start_with_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no public key"):
        admission(request(tmp_path, keys=tmp_path / "none"), lambda port: None)
    (tmp_path / "allowed").write_text("proxy:1.0\n")
    with pytest.raises(BadInput, match=r"'proxy:1\.0' is not named by its digest"):
        admission(request(tmp_path, allowed=tmp_path / "allowed"), lambda port: None)
    with pytest.raises(BadInput, match="cannot read"):
        admission(request(tmp_path, allowed=tmp_path / "missing"), lambda port: None)


def test_what_is_no_question_gets_no_answer(tmp_path: Path) -> None:
    for body in (b"", b"{}", b"\xff"):
        assert asyncio.run(_validate(body, request(tmp_path), Objects())).status == 400  # type: ignore[arg-type]

"""Pushes images to a registry by the OCI distribution API, byte for byte: the digest in the registry is the one of the evidence.

The libraries that were looked at write the manifest anew, which changes its digest, and Docker's daemon compresses the layers anew.
What is needed here is four requests an image: ask for a blob, begin an upload, send it, send the manifest.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from dawsos.adapters.docker_config import Credentials
from dawsos.adapters.http import HttpClient, HttpError, Response
from dawsos.adapters.oci import Blob, Manifest
from dawsos.errors import BadInput, InfrastructureError
from dawsos.ports import Clock

# Seconds for one request: a large layer over a slow line.
_TIMEOUT = 900.0
# Registries and the proxies in front of them fail now and then; each request may be sent again, because a blob is named by its digest.
_TRIES, _PAUSE = 3, 1.0
_LONGEST_ANSWER = 1 << 20
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# docker.io is the name in references; its API is elsewhere.
_HUB_API = "registry-1.docker.io"

_T = TypeVar("_T")
Ask = Callable[[], Awaitable[Credentials | None]]


@dataclass(frozen=True)
class Place:
    """Where images go: the registry's ``host`` (with its port), the ``path`` below which they are, and whether it speaks TLS."""

    host: str
    path: str
    secure: bool = True

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"{'https' if self.secure else 'http'}://{_HUB_API if self.host == 'docker.io' else self.host}"

    def repository(self, name: str) -> str:
        """Return the repository of the image ``name`` within the registry."""
        return f"{self.path}/{name}" if self.path else name


def place_of(text: str) -> Place:
    """Return the place ``text`` = HOST/PATH.

    Without TLS only a registry of this machine is spoken to, and one that is written as ``http://HOST/PATH``.  Raises BadInput.
    """
    scheme, found, rest = text.rpartition("://")
    host, _, path = rest.strip("/").partition("/")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    # As in a reference of an image: without a point, a port or the name localhost it is no host.
    is_host = _HOST.fullmatch(host) and ("." in host or ":" in host or host == "localhost")
    if (found and scheme not in ("http", "https")) or not is_host or (path and not _PATH.fullmatch(path)):
        raise BadInput(
            f"images.registry: {text!r} is no place in a registry",
            fix="write HOST/PATH in small letters, for example registry.example.com/team",
        )
    local = name in _LOOPBACK or name.endswith(".localhost")
    return Place(host, path, scheme != "http" and not (local and not found))


class Refused(InfrastructureError):
    """The registry answered, and not as it should."""


class Registry:
    """One registry.  ``ask`` returns the credentials for it and is called when it wants some; ``certificates`` are files with
    certificates to believe beside those of this machine.

    Methods raise InfrastructureError: it does not answer, it refuses, it keeps something else than what was sent.
    """

    def __init__(self, place: Place, ask: Ask, clock: Clock, *, certificates: tuple[Path, ...] = ()) -> None:
        self._place, self._ask, self._clock = place, ask, clock
        self._client = HttpClient(
            timeout=_TIMEOUT, connections=4, largest=_LONGEST_ANSWER, tls=_tls(place, certificates)
        )
        self._authorization = ""
        self._secrets: tuple[str, ...] = ()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def push(self, manifest: Manifest, repository: str, tag: str, say: Callable[[str], None]) -> None:
        """Bring the image into ``repository`` and call it ``tag`` as well, so that no registry takes it for rubbish.

        ``say`` gets a line for each thing that is done.
        """
        where = f"{self._place.host}/{repository}@{manifest.digest}"
        if await self._holds(manifest, repository):
            say(f"{where} is there already")
            return
        for blob in manifest.blobs:
            sent = await self._again(partial(self._blob, blob, repository))
            say(f"{blob.digest} {'sent' if sent else 'is there already'}, {blob.size} bytes")
        await self._again(lambda: self._manifest(manifest, repository, tag))
        if not await self._holds(manifest, repository):
            raise Refused(f"the registry {self._place.host} took the image and does not have it as {where}", fix=_FIX)
        say(f"{where} pushed, also as {tag}")

    async def _holds(self, manifest: Manifest, repository: str) -> bool:
        url = f"/v2/{repository}/manifests/{manifest.digest}"
        answer = await self._again(lambda: self._request("HEAD", url, repository, accept=manifest.media_type))
        if answer.status == 404:
            return False
        self._must(answer, (200,), f"look for {manifest.digest[:19]}")
        told = answer.headers.get("docker-content-digest", manifest.digest)
        if told != manifest.digest:
            raise Refused(
                f"the registry {self._place.host} answers for {manifest.digest} with another digest, {told[:80]}",
                fix=_FIX,
            )
        return True

    async def _blob(self, blob: Blob, repository: str) -> bool:
        """Send the blob unless it is there; return whether it was sent."""
        there = await self._request("HEAD", f"/v2/{repository}/blobs/{blob.digest}", repository)
        # Some registries send to the server that keeps it.
        if there.status in (200, 307):
            return False
        if there.status != 404:
            self._must(there, (), f"look for {blob.digest[:19]}")
        begun = await self._request("POST", f"/v2/{repository}/blobs/uploads/", repository)
        self._must(begun, (202,), "begin an upload")
        target = urljoin(f"{self._place.url}/v2/", begun.headers.get("location", ""))
        target += f"{'&' if '?' in target else '?'}{urlencode({'digest': blob.digest})}"
        sent = await self._request("PUT", target, repository, body=blob.path)
        self._must(sent, (201, 204), f"take {blob.digest[:19]}")
        return True

    async def _manifest(self, manifest: Manifest, repository: str, tag: str) -> None:
        url = f"/v2/{repository}/manifests/{tag}"
        kept = await self._request("PUT", url, repository, body=manifest.content, kind=manifest.media_type)
        self._must(kept, (201,), f"take the manifest of {repository}")

    async def _again(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Return what ``call`` returns; of what may be better a moment later it is asked again."""
        for left in reversed(range(_TRIES)):
            try:
                return await call()
            except (HttpError, _Busy) as error:
                if not left:
                    raise InfrastructureError(
                        f"the registry {self._place.host} cannot be used: {self._clean(str(error))}", fix=_reach(error)
                    ) from error
            await self._clock.sleep(_PAUSE)
        raise AssertionError

    async def _request(
        self,
        method: str,
        url: str,
        repository: str,
        *,
        accept: str = "",
        body: bytes | Path | None = None,
        kind: str = "application/octet-stream",
    ) -> Response:
        """Send one request, and once more with a token or a password when the registry wants one."""
        headers = {"Accept": accept} if accept else {}
        if body is not None:
            headers["Content-Type"] = kind
        target = urljoin(self._place.url, url)
        answer = await self._client.request(method, target, headers=headers | self._allowed(target), body=body)
        if answer.status == 401 and self._own(target):
            await self._authorize(answer, repository)
            answer = await self._client.request(method, target, headers=headers | self._allowed(target), body=body)
        if answer.status == 429 or answer.status >= 500:
            raise _Busy(f"status {answer.status} to {method}")
        return answer

    def _own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._place.url)[:2]

    def _allowed(self, url: str) -> dict[str, str]:
        """Return the header with the registry's own token or password: another server, which keeps the blobs, gets neither."""
        return {"Authorization": self._authorization} if self._authorization and self._own(url) else {}

    async def _authorize(self, refused: Response, repository: str) -> None:
        """Get what the registry wants to see; raises Refused when there is nothing, or nothing that helps."""
        challenge = refused.headers.get("www-authenticate", "")
        known = await self._ask()
        self._secrets = known.secrets if known else ()
        scheme, _, rest = challenge.partition(" ")
        asked = dict(_PARAMETER.findall(rest))
        if scheme.lower() == "bearer" and asked.get("realm"):
            self._authorization = f"Bearer {await self._token(asked, known, repository)}"
        elif known is not None and known.password and self._authorization != known.basic:
            self._authorization = known.basic
        else:
            raise self._unauthorized(known)
        self._secrets += (self._authorization.partition(" ")[2],)

    async def _token(self, asked: dict[str, str], known: Credentials | None, repository: str) -> str:
        """Exchange the credentials for a token that may push to ``repository``."""
        realm = asked["realm"]
        if self._place.secure and not realm.startswith("https://"):
            raise Refused(f"the registry {self._place.host} wants the password to be sent without TLS", fix=_FIX)
        query = {"service": asked.get("service", ""), "scope": f"repository:{repository}:pull,push"}
        if known is not None and known.token:
            form = {**query, "grant_type": "refresh_token", "refresh_token": known.token, "client_id": "dawsos"}
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await self._client.request("POST", realm, headers=headers, body=urlencode(form).encode())
        else:
            headers = {"Authorization": known.basic} if known is not None else {}
            answer = await self._client.request("GET", realm, params=query, headers=headers)
        if answer.status in (400, 401, 403):
            raise self._unauthorized(known)
        self._must(answer, (200,), "give a token")
        try:
            told = json.loads(answer.text)
            return str(told.get("token") or told["access_token"])
        except (ValueError, LookupError, AttributeError) as error:
            raise Refused(f"the registry {self._place.host} gave no token", fix=_FIX) from error

    def _unauthorized(self, known: Credentials | None) -> InfrastructureError:
        if known is None:
            return Refused(
                f"the registry {self._place.host} wants a password, and your Docker configuration has none for it",
                fix=f"docker login {self._place.host}",
            )
        return Refused(
            f"the registry {self._place.host} does not accept the credentials of your Docker configuration",
            fix=f"log in again, and see whether you may push there: docker login {self._place.host}",
        )

    def _must(self, answer: Response, good: tuple[int, ...], what: str) -> None:
        """Raise Refused when the registry did not do ``what``."""
        if answer.status in good:
            return
        if answer.status == 401:
            raise self._unauthorized(Credentials())
        raise Refused(
            f"the registry {self._place.host} did not {what}: status {answer.status}{self._clean(_reason(answer))}",
            fix="may you push there, and does its path exist?" if answer.status in (403, 404) else _FIX,
        )

    def _clean(self, text: str) -> str:
        """Return ``text`` without anything secret, which a server may have sent back."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Busy(Exception):
    """The registry may do it a moment later."""


_FIX = "see what the registry says about it, and try again"


def _reach(error: Exception) -> str:
    if "certificate" in str(error).lower():
        return "put the certificate of its authority into /etc/docker/certs.d/HOST/ca.crt, or name it in SSL_CERT_FILE"
    return "does it run, and can this machine reach it?"


def _reason(answer: Response) -> str:
    """Return what the registry says about a refusal, on one line, an empty text when it says nothing."""
    try:
        errors = json.loads(answer.text)["errors"]
        said = "; ".join(f"{one.get('code', '')} {one.get('message', '')}".strip() for one in errors[:3])
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f" ({' '.join(said.split())[:300]})" if said else ""


def _tls(place: Place, certificates: tuple[Path, ...]) -> ssl.SSLContext | None:
    if not place.secure or not certificates:
        return None
    context = ssl.create_default_context()
    for path in certificates:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(f"cannot read the certificate {path}: {error}", fix="correct it, or remove it") from error
    return context

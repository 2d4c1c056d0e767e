"""Asks stable and canary the declared requests before the canary gets any traffic, and compares their answers.

The replicas are asked themselves, past the proxy, so that no user meets the canary and the judge's counters stay as they are.  Stable
is asked twice and the canary once, in an order that changes from round to round.  Nothing is kept but the answers, so that a
controller that was killed asks again.  Then the canary is asked on until it answers as fast as stable, so that no user meets its
cold start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

from dawsos.adapters.http import HttpError
from dawsos.analysis.compare.answers import Answer, read
from dawsos.analysis.compare.verdict import Asked, compare_page, overall, undecided
from dawsos.analysis.warmth import Warmth
from dawsos.errors import InfrastructureError
from dawsos.model.comparison import ComparedPage, ComparisonVerdict
from dawsos.model.events import AnswersCompared, Start
from dawsos.model.policy import Compare, CompareRequest, RolloutPolicy
from dawsos.model.run import RolloutRecord
from dawsos.platforms.commands import substitute
from dawsos.platforms.contract import Platform, Replica
from dawsos.ports import Clock, Redactor

_AT_ONCE = 4
# Where a difference is neither proven nor refuted, so many times the declared repetitions are asked.
_MORE = 4
# While the canary warms up it gets at most so many requests a second, and each page one at most each quarter of a second.
_WARMING, _PAUSE = 8.0, 0.25
_ORDERS = (("stable", "canary", "stable"), ("canary", "stable", "stable"), ("stable", "stable", "canary"))


def declared_requests(policy: RolloutPolicy) -> tuple[CompareRequest, ...]:
    """Return the requests of the load and those of ``compare``, each once."""
    loaded = policy.load.requests if policy.load else ()
    found = [CompareRequest(path=one.path, authenticated=one.authenticated) for one in loaded]
    return tuple(dict.fromkeys((*found, *policy.compare.requests)))


def nothing_to_ask(policy: RolloutPolicy, record: RolloutRecord) -> str:
    """Return why there is nothing to compare, an empty text when there is something."""
    if not record.stable_deployment:
        return "first release: there is no stable release to compare with"
    if not policy.compare.enabled:
        return "rollout.compare.enabled is false"
    if not declared_requests(policy):
        return "no request is declared: rollout.load or rollout.compare.requests of pipeline.yaml"
    return ""


def comparison_evidence(compared: AnswersCompared, *, accepted: bool = False) -> dict[str, Any]:
    """Return what the gate reads; written again from the journal it is the same.  ``accepted``: a person let the release go on where
    nothing can be compared."""
    return {"version": 1, "accepted": accepted, **compared.body()}


@dataclass(frozen=True)
class Caller:
    """What the requests are made with: ``variables`` fill in their paths, ``bearer`` is the token of those that are authenticated."""

    variables: Mapping[str, str] = field(default_factory=dict)
    bearer: str = ""


@dataclass
class _Page:
    """One declared request and the answers to it so far, by side."""

    request: CompareRequest
    path: str
    answers: dict[str, list[Answer]] = field(default_factory=lambda: {"stable": [], "canary": []})
    rounds: int = 0


@dataclass
class Comparing:
    """Compares one canary with stable.

    ``called`` are texts that name the canary's own release.  ``goes_on`` is asked before each round: it renews the lease and says
    whether there still is a rollout to go on with.
    """

    platform: Platform
    policy: RolloutPolicy
    clock: Clock
    redactor: Redactor
    goes_on: Callable[[], Awaitable[bool]]
    called: tuple[str, ...] = ()
    sent: int = 0
    waited: float = 0.0
    stopped: bool = False

    @property
    def _settings(self) -> Compare:
        return self.policy.compare

    async def compare(self, record: RolloutRecord, caller: Caller) -> AnswersCompared | None:
        """Return what the answers say, None when a person stopped the rollout meanwhile."""
        started = self.clock.monotonic()
        pages = self._pages(caller)
        try:
            async with self._asker(record, caller) as asker:
                found = await self._ask_all(pages, asker)
                verdict, reason = overall(found)
                seconds = self.clock.monotonic() - started
                start = (
                    await self._warm_up(pages, asker)
                    if verdict not in ("fail", "no_data") and not self.stopped
                    else "unasked"
                )
        except InfrastructureError as error:
            return self._told("no_data", error.message, self.clock.monotonic() - started)
        if self.stopped:
            return None
        return self._told(verdict, reason, seconds, found, start)

    async def warm_up(self, record: RolloutRecord, caller: Caller, why: str) -> AnswersCompared | None:
        """Compare no answers, for the reason ``why``, but wait until the canary is as fast as stable; None as for ``compare``."""
        start: Start = "unasked"
        try:
            async with self._asker(record, caller) as asker:
                start = await self._warm_up(self._pages(caller), asker)
        except InfrastructureError:
            pass
        return None if self.stopped else self._told("skipped", why, 0.0, start=start)

    def _told(
        self,
        verdict: ComparisonVerdict,
        reason: str,
        seconds: float,
        pages: Sequence[ComparedPage] = (),
        start: Start = "unasked",
    ) -> AnswersCompared:
        waited = round(self.waited, 3)
        return AnswersCompared(verdict, reason, self.sent, round(seconds, 3), tuple(pages), start, waited)

    def _pages(self, caller: Caller) -> list[_Page]:
        return [_Page(one, substitute(one.path, caller.variables)) for one in declared_requests(self.policy)]

    @contextlib.asynccontextmanager
    async def _asker(self, record: RolloutRecord, caller: Caller) -> AsyncIterator[_Asker]:
        url = (await self.platform.status()).url
        async with (
            self.platform.replicas(record.stable_deployment) as stable,
            self.platform.replicas(record.deployment) as canary,
        ):
            if not stable or not canary:
                raise InfrastructureError(f"no replica of {'the canary' if stable else 'stable'} is ready")
            yield _Asker(self, {"stable": stable, "canary": canary}, url, caller)

    async def _warm_up(self, pages: list[_Page], asker: _Asker) -> Start:
        """Ask both versions on until the canary is as fast as stable, or has had its time."""
        if not self.policy.warm_up.wait:
            return "unasked"
        warmth, began = Warmth(self.policy.latency_tolerance), self.clock.monotonic()
        for side in ("stable", "canary"):
            for page in pages:
                for answer in page.answers[side]:
                    _learn(warmth, page, side, answer)
        while not warmth.warm and self.waited < self.policy.warm_up.wait:
            self.stopped = not await self.goes_on()
            if self.stopped:
                break
            await self._warming_round(pages, asker, warmth)
            await self.clock.sleep(max(_PAUSE, len(pages) / _WARMING))
            self.waited = self.clock.monotonic() - began
        return "warm" if warmth.warm else "slow"

    async def _warming_round(self, pages: list[_Page], asker: _Asker, warmth: Warmth) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def round_of(page: _Page) -> None:
            async with free:
                for side in ("stable", "canary"):
                    _learn(warmth, page, side, await asker.ask(side, page))

        await asyncio.gather(*map(round_of, pages))

    async def _ask_all(self, pages: list[_Page], asker: _Asker) -> list[ComparedPage]:
        """Ask round by round, and longer where the answers leave it open whether a page fails."""
        until = self.clock.monotonic() + self._settings.within
        await self._rounds(pages, asker, self._settings.repetitions, until)
        found = [self._compared(page) for page in pages]
        open_ones = [page for page, one in zip(pages, found, strict=True) if undecided(one)]
        if open_ones and not self.stopped:
            await self._rounds(open_ones, asker, _MORE * self._settings.repetitions, until)
            found = [self._compared(page) for page in pages]
        return found

    async def _rounds(self, pages: list[_Page], asker: _Asker, rounds: int, until: float) -> None:
        free = asyncio.Semaphore(_AT_ONCE)

        async def round_of(page: _Page) -> None:
            async with free:
                for side in _ORDERS[page.rounds % len(_ORDERS)]:
                    page.answers[side].append(await asker.ask(side, page))
                page.rounds += 1

        while min(page.rounds for page in pages) < rounds:
            within = self.clock.monotonic() < until and self.sent + 3 * len(pages) <= self._settings.most_requests
            self.stopped = not await self.goes_on()
            if not within or self.stopped:
                return
            self.sent += 3 * len(pages)
            await asyncio.gather(*map(round_of, pages))

    def _compared(self, page: _Page) -> ComparedPage:
        asked = Asked(
            page.request.method, page.request.path, self._settings.repetitions, page.request.authenticated,
            page.answers["stable"], page.answers["canary"],
        )  # fmt: skip
        return compare_page(asked, self._settings.allow, self.called)


def _learn(warmth: Warmth, page: _Page, side: str, answer: Answer) -> None:
    if side == "canary":
        warmth.add_canary(page.path, answer.seconds, failed=read(answer).fails)
    else:
        warmth.add_stable(page.path, answer.seconds)


class _Asker:
    """Sends a request to the replicas of a side in turn; each request names the host that users name."""

    def __init__(self, comparing: Comparing, sides: Mapping[str, Sequence[Replica]], url: str, caller: Caller) -> None:
        self._turns = {side: cycle(replicas) for side, replicas in sides.items()}
        self._timeout = comparing.policy.compare.timeout
        self._clock, self._redactor = comparing.clock, comparing.redactor
        host = urlsplit(url).netloc
        self._headers = {"User-Agent": "dawsos-compare", **({"Host": host} if host else {})}
        self._bearer = {"Authorization": f"Bearer {caller.bearer}"} if caller.bearer else {}

    async def ask(self, side: str, page: _Page) -> Answer:
        """Return the answer of the next replica of the side."""
        request = page.request
        headers = {**self._headers, **(self._bearer if request.authenticated else {})}
        body = None if request.body is None else request.body.encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        started = self._clock.monotonic()
        try:
            answer = await next(self._turns[side]).ask(request.method, page.path, headers, body, self._timeout)
        except HttpError as error:
            return Answer(0, self._clock.monotonic() - started, problem=error.kind)
        seconds = self._clock.monotonic() - started
        named = {name: self._redactor.clean(value) for name, value in answer.headers.items()}
        return Answer(answer.status, seconds, named, self._clean(answer.body))

    def _clean(self, body: bytes) -> bytes:
        """Mask secrets before anything is cut off: half a secret would not be known as one."""
        try:
            return self._redactor.clean(body.decode()).encode()
        except UnicodeDecodeError:
            return body

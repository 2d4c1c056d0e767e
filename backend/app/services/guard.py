"""What stands between the service and one provider: token bucket, circuit breaker, timeout, retries with jitter.

The order matters: an open breaker answers at once and costs no token, an empty bucket is no failure of the provider's,
and each try has the whole timeout to itself. Retries cost the caller time, so the caller says how many.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from app.core.breaker import GAUGE, OPEN_SECONDS, Breaker, State
from app.core.bucket import Bucket
from app.services.provider_ports import UNWELL, Endpoint, Provider, ProviderError, ProviderMeter

T = TypeVar("T")
TIMEOUT_SECONDS = 5.0
BACKOFF_SECONDS = (1.0, 2.0, 4.0)
JITTER = 0.2
# So many calls may come at once before the rate per minute counts.
BURST = 10.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Clocks and waits, so that tests need not wait: monotonic seconds, sleep, and a number in [-1, 1]."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = lambda: random.uniform(-1, 1)  # noqa: S311 - spreads load, protects nothing
    timeout: float = TIMEOUT_SECONDS
    open_seconds: float = OPEN_SECONDS


class Guard:
    """Guards one provider."""

    def __init__(self, provider: Provider, timing: Timing, meter: ProviderMeter) -> None:
        self.provider = provider
        self._timing = timing
        self._meter = meter
        self._breaker = Breaker(open_seconds=timing.open_seconds)
        self._bucket = Bucket.full(provider.per_minute, BURST, timing.monotonic())
        self._show()

    @property
    def state(self) -> State:
        """The breaker's state now."""
        return self._breaker.state(self._timing.monotonic())

    def show(self) -> None:
        """Bring the gauge up to date: time alone makes an open breaker half-open."""
        self._show()

    async def call(self, endpoint: Endpoint, make: Callable[[], Awaitable[T]], tries: int = 1) -> T:
        """Call with up to `tries` tries; raises the last try's ProviderError."""
        for number in range(tries):
            try:
                return await self._once(endpoint, make)
            except ProviderError as error:
                if error.reason not in UNWELL or number + 1 >= tries:
                    raise
                pause = BACKOFF_SECONDS[min(number, len(BACKOFF_SECONDS) - 1)]
                await self._timing.sleep(pause * (1 + JITTER * self._timing.jitter()))
        raise AssertionError("tries must be at least 1")

    async def _once(self, endpoint: Endpoint, make: Callable[[], Awaitable[T]]) -> T:
        name = self.provider.name
        admitted = self._breaker.admit(self._timing.monotonic())
        if admitted is None:
            self._meter.called(name, endpoint, "open", 0.0)
            raise ProviderError("open", f"{name} failed again and again and is left alone for a while")
        bucket = self._bucket.take(self._timing.monotonic())
        if bucket is None:
            self._meter.called(name, endpoint, "limited", 0.0)
            raise ProviderError("limited", f"the rate limit of {name} is used up")
        self._breaker, self._bucket = admitted, bucket
        started = self._timing.monotonic()
        status = "cancelled"
        try:
            async with asyncio.timeout(self._timing.timeout):
                answer = await make()
            status = "ok"
        except TimeoutError as error:
            status = "timeout"
            raise ProviderError("timeout", f"{name} did not answer in {self._timing.timeout:g} s") from error
        except ProviderError as error:
            status = error.reason
            raise
        finally:
            self._settle(status)
            self._meter.called(name, endpoint, status, self._timing.monotonic() - started)
        return answer

    def _settle(self, status: str) -> None:
        if status == "cancelled":
            self._breaker = self._breaker.abandoned()
        elif status in UNWELL:
            self._breaker = self._breaker.failed(self._timing.monotonic())
        else:
            # "There is no such symbol" is an answer: the provider is well.
            self._breaker = self._breaker.succeeded()
        self._show()

    def _show(self) -> None:
        self._meter.breaker(self.provider.name, GAUGE[self.state])

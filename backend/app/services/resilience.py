"""Calls of a data provider with a rate limit, a circuit breaker, a timeout and retries with jitter.

The order matters. An open circuit answers at once and takes no token; an empty token bucket is no failure of the
provider; each try has the whole timeout. A retry costs the caller time, so the caller gives the number of tries.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from app.core.circuit_breaker import GAUGE, OPEN_SECONDS, CircuitBreaker, State
from app.core.token_bucket import TokenBucket
from app.services.provider_ports import PROVIDER_FAULTS, Endpoint, Provider, ProviderError, ProviderMeter

T = TypeVar("T")
TIMEOUT_SECONDS = 5.0
BACKOFF_SECONDS = (1.0, 2.0, 4.0)
JITTER = 0.2
# The number of calls that may come at once before the rate per minute applies.
BURST = 10.0


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """Clock, sleep and limits of the calls, in seconds. `monotonic`, `sleep` and `jitter` (-1 to 1) serve tests."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = lambda: random.uniform(-1, 1)  # noqa: S311 - spreads load, protects nothing
    timeout: float = TIMEOUT_SECONDS
    open_seconds: float = OPEN_SECONDS


class ResilientProvider:
    """One provider with its circuit breaker and its token bucket; both live in this process."""

    def __init__(self, provider: Provider, policy: CallPolicy, meter: ProviderMeter) -> None:
        self.provider = provider
        self._policy = policy
        self._meter = meter
        self._breaker = CircuitBreaker(open_seconds=policy.open_seconds)
        self._bucket = TokenBucket.full(provider.per_minute, BURST, policy.monotonic())
        self.update_gauge()

    @property
    def state(self) -> State:
        """The state of the circuit now."""
        return self._breaker.state(self._policy.monotonic())

    def update_gauge(self) -> None:
        """Set the gauge to the state of now: an open circuit becomes half-open by time alone."""
        self._meter.breaker(self.provider.name, GAUGE[self.state])

    async def call(self, endpoint: Endpoint, make: Callable[[], Awaitable[T]], tries: int = 1) -> T:
        """Call the provider up to `tries` times; raises the ProviderError of the last try."""
        for number in range(tries):
            try:
                return await self._call_once(endpoint, make)
            except ProviderError as error:
                if error.reason not in PROVIDER_FAULTS or number + 1 >= tries:
                    raise
                pause = BACKOFF_SECONDS[min(number, len(BACKOFF_SECONDS) - 1)]
                await self._policy.sleep(pause * (1 + JITTER * self._policy.jitter()))
        raise AssertionError("tries must be at least 1")

    async def _call_once(self, endpoint: Endpoint, make: Callable[[], Awaitable[T]]) -> T:
        name = self.provider.name
        admitted = self._breaker.admit(self._policy.monotonic())
        if admitted is None:
            self._meter.called(name, endpoint, "open", 0.0)
            raise ProviderError("open", f"the circuit breaker of {name} is open after repeated failures")
        bucket = self._bucket.take(self._policy.monotonic())
        if bucket is None:
            self._meter.called(name, endpoint, "limited", 0.0)
            raise ProviderError("limited", f"the rate limit of {name} is used up")
        self._breaker, self._bucket = admitted, bucket
        started = self._policy.monotonic()
        status = "cancelled"
        try:
            async with asyncio.timeout(self._policy.timeout):
                answer = await make()
            status = "ok"
        except TimeoutError as error:
            status = "timeout"
            raise ProviderError("timeout", f"{name} did not answer in {self._policy.timeout:g} s") from error
        except ProviderError as error:
            status = error.reason
            raise
        finally:
            self._record(status)
            self._meter.called(name, endpoint, status, self._policy.monotonic() - started)
        return answer

    def _record(self, status: str) -> None:
        if status == "cancelled":
            self._breaker = self._breaker.abandoned()
        elif status in PROVIDER_FAULTS:
            self._breaker = self._breaker.failed(self._policy.monotonic())
        else:
            # "There is no such symbol" is an answer: the provider works.
            self._breaker = self._breaker.succeeded()
        self.update_gauge()

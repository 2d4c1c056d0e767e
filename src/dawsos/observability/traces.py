"""A trace of a request that the verification itself sends, at the trace store."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from dawsos.model.events import CheckResult
from dawsos.model.observability import TraceServer
from dawsos.model.units import format_duration
from dawsos.observability.answers import Span, Unusable, spans
from dawsos.observability.asking import Asking, Serving, counted

NAME = "trace"
_NOT_FOUND = 404
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


async def check(asking: Asking) -> CheckResult:
    """Send a request with a trace id of its own, and return whether a span of the service with this id is found."""
    traces = asking.settings.traces
    within = format_duration(asking.settings.within)
    limit = f"a span of {traces.service if traces and traces.service else 'the service'} within {within}"
    if traces is None:
        return asking.not_checked(NAME, "traces", limit)
    trace, started = secrets.token_hex(16), asking.question.clock.monotonic()
    try:
        # As part of the trace, and sampled: W3C Trace Context.
        parent = f"00-{trace}-{secrets.token_hex(8)}-01"
        status = await asking.servers["service"].send(traces.page or asking.serving.health, {"traceparent": parent})
    except Unusable as error:
        return CheckResult(NAME, "error", f"the request with a trace id had no answer: {error}", limit)

    async def look() -> tuple[bool, str]:
        try:
            found = spans(traces.kind, await asking.servers["traces"].ask(f"/api/traces/{trace}"), trace)
        except Unusable as error:
            if error.status != _NOT_FOUND:
                raise
            return False, f"no span, the request was answered with {status} ({error.reason})"
        passed, measured = _judged(found, traces, asking.serving)
        took = format_duration(asking.question.clock.monotonic() - started)
        return passed, f"{measured} after {took}, the request was answered with {status}"

    return await asking.until(NAME, limit, look)


def _judged(found: Sequence[Span], traces: TraceServer, serving: Serving) -> tuple[bool, str]:
    """Return whether a span is of the service, and of no other version where spans say theirs, and what was seen."""
    own = [span for span in found if traces.service in (None, span.service)]
    services = ", ".join(sorted({span.service or "no service" for span in found}))
    others = sorted({span.version for span in own if _other_commit(span.version, serving.commit)})
    seen = counted(len(found), "span") + (f" of {services}" if found else "")
    if others:
        return False, f"{seen}, of version {others[0]} and not {serving.commit}"
    return bool(own), seen


def _other_commit(version: str, commit: str) -> bool:
    """Return whether a ``service.version`` is another commit, whole or short; a version that is no commit says nothing."""
    return _COMMIT.fullmatch(version) is not None and not commit.startswith(version)

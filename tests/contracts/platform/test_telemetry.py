"""What the judge sees: the requests and errors of each version since the last sample."""

from __future__ import annotations

from typing import Any

from contracts.platform.scenes import with_canary
from contracts.platform.subjects import POLICY, Subject


def test_a_sample_counts_what_each_version_was_asked_since_the_last_one(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old, new = await with_canary(subject, 25)
        telemetry = platform.telemetry(POLICY)
        await subject.ask(10)
        first = await telemetry.sample(0.0, 25)
        answered = await subject.ask(100)
        sample = await telemetry.sample(1.0, 25)
        again = await telemetry.sample(2.0, 25)
        await telemetry.close()
        # Of what was before the first look nothing is known.
        assert (first.complete, first.canary.requests, first.stable.requests) == (False, 0, 0)
        assert sample.complete
        assert (sample.canary.requests, sample.stable.requests) == (answered[new.commit], answered[old.commit])
        assert (sample.canary.errors, sample.stable.errors) == (0, 0)
        assert (again.canary.requests, again.stable.requests) == (0, 0)

    play(scene)

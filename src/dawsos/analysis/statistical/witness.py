"""Does the proxy count what a client saw fail?  Where it does not, the judge is blind: the step is held, and it is said.  Pure."""

from __future__ import annotations

from dawsos.model.rollout import ClientSide, Conclusion, Counts, Sample

# What a client may have counted more than the proxy: requests at the edge of a sample, and some that never reached the proxy.
_EDGE, _PART, _FADE = 5.0, 0.01, 0.98


class Witness:
    """What the tool's own load saw, held against the proxy's counts of late."""

    def __init__(self) -> None:
        self._sums = {"canary": [0.0] * 3, "stable": [0.0] * 3, "both": [0.0] * 3}

    def observe(self, sample: Sample) -> None:
        """Take in one more sample; nothing is learnt where no client told anything."""
        seen = sample.client
        if seen is None:
            return
        self._add("canary", seen.canary, sample.canary)
        self._add("stable", seen.stable, sample.stable)
        parts = (seen.canary, seen.stable, seen.untold)
        everything = ClientSide(sum(part.requests for part in parts), sum(part.errors for part in parts))
        self._add("both", everything, Counts(errors=sample.canary.errors + sample.stable.errors))

    def doubt(self) -> Conclusion | None:
        """Return that the proxy did not count what a client saw fail, None while it did."""
        for name, (requests, failed, counted) in self._sums.items():
            if failed > counted + _EDGE + _PART * requests:
                whose = "both releases" if name == "both" else f"the {name} release"
                return Conclusion(
                    "inconclusive",
                    f"held: the load saw {failed:.0f} of {requests:.0f} requests to {whose} fail of late, the proxy counted "
                    f"{counted:.0f} errors: its counts cannot be trusted",
                )
        return None

    def _add(self, name: str, seen: ClientSide, counts: Counts) -> None:
        new = (seen.requests, seen.errors, counts.errors)
        self._sums[name] = [_FADE * old + more for old, more in zip(self._sums[name], new, strict=True)]

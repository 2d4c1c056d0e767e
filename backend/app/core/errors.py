"""The expected failures of the service. `app.api.problems` maps each to a status; any other exception is a 500."""

from __future__ import annotations


class DawsosError(Exception):
    """Root of all expected failures; the message is safe to show to a caller."""


class MarketDataError(DawsosError):
    """The market data cannot give a complete pack: missing file, bad format, or a hole in the universe."""


class UnpricedError(MarketDataError):
    """A pack has no price for what is held: it was booked for a day, or is looked at under a pack, before its listing
    was known."""


class NotFoundError(DawsosError):
    """The object does not exist, or belongs to another user: the caller must not be able to tell which."""


class PastDateError(DawsosError):
    """A job that uses current holdings was requested for a past date."""


class PackWarmingError(DawsosError):
    """No pack has been marked fresh yet, so nothing can be valued."""


class TradeRefusedError(DawsosError):
    """The trade breaks a rule, e.g. sells more than is held."""


class StoreUnavailableError(DawsosError):
    """The database did not answer; the same request may work in a moment."""


class CacheUnavailableError(DawsosError):
    """The cache did not answer. Never shown to a caller: the database answers instead."""


class RateLimitedError(DawsosError):
    """The user sent too many requests; the next one is allowed in `retry_after` seconds."""

    def __init__(self, retry_after: int, message: str = "too many requests") -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthError(DawsosError):
    """The bearer token is missing, forged, expired or for another audience."""


class ReconciliationError(DawsosError):
    """Lots, journal and transactions differ."""


class AnalysisError(DawsosError):
    """The data does not suffice for an answer: too few days, weights that do not add up, too short a series."""


class NotReadyError(DawsosError):
    """The nightly jobs have not loaded the reference data yet."""


class JournalError(DawsosError):
    """A journal cannot be read, does not add up, or was changed by another program."""


class LedgerUnavailableError(DawsosError):
    """The folder of the journals cannot be read or written right now."""

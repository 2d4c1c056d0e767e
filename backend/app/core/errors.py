"""The failures the service tells apart. Each leaf is caught by name somewhere; everything else is a bug (500)."""

from __future__ import annotations


class DawsosError(Exception):
    """Root of all expected failures; the message is safe to show to a caller."""


class MarketDataError(DawsosError):
    """The market data cannot give a complete pack: missing file, bad format, or a hole in the universe."""


class UnpricedError(MarketDataError):
    """A pack has no price for what is held: it was booked for a day, or is looked at under a pack, before its listing
    was known."""


class NotFoundError(DawsosError):
    """The thing does not exist, or belongs to somebody else: the caller must not be able to tell which."""


class PastDateError(DawsosError):
    """A job was asked for a day that is over, with work that rests on what is held now."""


class PackWarmingError(DawsosError):
    """No pack has been marked fresh yet, so nothing can be valued."""


class TradeRefusedError(DawsosError):
    """The trade breaks a rule, e.g. sells more than is held."""


class StoreUnavailableError(DawsosError):
    """The database did not answer; the same request may work in a moment."""


class CacheUnavailableError(DawsosError):
    """The cache did not answer. Never shown to a caller: the database answers instead."""


class RateLimitedError(DawsosError):
    """The user asked too often; in `retry_after` seconds he may ask again."""

    def __init__(self, retry_after: int, message: str = "too many requests") -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthError(DawsosError):
    """The bearer token is missing, forged, expired or meant for somebody else."""


class ReconciliationError(DawsosError):
    """Lots and transactions tell different stories."""


class AnalysisError(DawsosError):
    """The question cannot be answered from what there is: too few days, weights that do not add up, data too short."""


class NotReadyError(DawsosError):
    """Reference data that the night loads is not there yet."""


class JournalError(DawsosError):
    """A journal cannot be read, does not add up, or is not what was written: somebody else changed the file."""


class LedgerUnavailableError(DawsosError):
    """The folder of the journals cannot be read or written right now."""

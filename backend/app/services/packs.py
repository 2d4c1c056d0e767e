"""Building packs and choosing the one to serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.core.errors import MarketDataError, NotFoundError, PackWarmingError
from app.core.market import MarketData, parse
from app.core.pack import PackContent, PackHeader
from app.services.ports import FxHistory, JobLog, PackStore

BUILD_JOB = "build_pack"


def load_market_data(path: Path) -> MarketData:
    """Read the market data document; an unreadable file is a market data failure like any other."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MarketDataError(f"cannot read market data {path.name}: {type(error).__name__}") from error
    return parse(text)


async def build(
    store: PackStore, fx: FxHistory, path: Path, asof: date, ledger_commit: str | None = None
) -> PackHeader:
    """Build the pack of one date: whole universe, all pairs, or an exception and no pack at all.

    `ledger_commit` is the ledger's newest commit at this moment; the night reconciles what comes after it.
    """
    market = load_market_data(path)
    return await store.append(market.content(asof, fx.fixing(asof)), market.universe, ledger_commit)


@dataclass(frozen=True, slots=True)
class Served:
    """The pack to use now; `stale` says that a newer one exists or was attempted and is not usable."""

    pack: PackHeader
    stale: bool


async def current(store: PackStore, jobs: JobLog) -> Served:
    """The last good pack, with the warning callers must pass on when it is not the newest there should be."""
    good = await store.last_good()
    if good is None:
        raise PackWarmingError("the first pricing pack is still warming up")
    newest = await store.newest()
    attempt = await jobs.last_attempt(BUILD_JOB)
    failed = attempt is not None and attempt.status == "failed"
    return Served(good, stale=failed or (newest is not None and newest.id != good.id))


async def by_id(store: PackStore, pack_id: str) -> PackHeader:
    """A pack by id, superseded or not: old valuations must stay reproducible."""
    header = await store.header(pack_id)
    if header is None:
        raise NotFoundError("no such pricing pack")
    return header


async def head_of(store: PackStore, asof: date) -> PackHeader:
    """The pack of a date that no other supersedes."""
    header = await store.head_of(asof)
    if header is None:
        raise NotFoundError("no pricing pack of that date")
    return header


async def verified_content(store: PackStore, header: PackHeader) -> PackContent:
    """The rows of a pack, checked against its hash: a pack that does not match is never used."""
    content = await store.content(header.id)
    if content is None or content.digest() != header.hash:
        raise MarketDataError(f"pricing pack {header.id} does not match its hash")
    return content

"""The nightly jobs: six jobs in a fixed order. A failure stops all later jobs.

Every job depends on the ones before it: a pack is reconciled before it is fresh, and only fresh values may alert.

The jobs see one tenant at a time: they iterate over the users and open an ordinary transaction for each. No database
role can read two tenants at once, so a worker has no privilege that could leak.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

from app.core import alerts, valuation
from app.core.errors import DawsosError, NotFoundError, PastDateError, ReconciliationError
from app.core.money import quantize
from app.core.pack import PackHeader
from app.services import packs
from app.services.alerting import AlertService
from app.services.analysis import Analysis
from app.services.portfolios import PortfolioService
from app.services.ports import FxHistory, JobLog, JobRun, PackStore, Portfolio, TenantStore
from app.services.reconciliation import Reconciler, details
from app.services.tracing import span

# Held while the jobs run: two nights at once would mix their records, and neither would be complete.
NIGHT_LOCK = "nightly"
# The order that the specification calls sacred; `jobs.verify_order` checks it.
SACRED_ORDER = (
    "build_pack",
    "reconcile_ledger",
    "compute_metrics",
    "prewarm_factors",
    "mark_pack_fresh",
    "evaluate_alerts",
)
# These jobs use the holdings of now, which are not those of a past date.
CURRENT_HOLDINGS_JOBS = frozenset({"compute_metrics", "prewarm_factors", "evaluate_alerts"})


@dataclass(frozen=True, slots=True)
class JobContext:
    """The date, the stores and the services of the nightly jobs. Without `alerts`, owners' rules are not evaluated."""

    asof: date
    market_data: Path
    tenants: TenantStore
    packs: PackStore
    jobs: JobLog
    portfolios: PortfolioService
    fx: FxHistory
    reconciler: Reconciler
    analysis: Analysis
    alerts: AlertService | None = None

    async def pack(self) -> PackHeader:
        """The pack of this night's date, warming until `mark_pack_fresh`."""
        found = await self.packs.head_of(self.asof)
        if found is None:
            raise NotFoundError(f"no pricing pack of {self.asof.isoformat()} has been built")
        return found

    async def newer(self, than: PackHeader) -> PackHeader | None:
        """The newest pack, if it is of a later date."""
        newest = await self.packs.newest()
        return newest if newest is not None and newest.asof_date > than.asof_date else None

    async def each_portfolio(self, act: Callable[[UUID, Portfolio], Awaitable[None]]) -> int:
        """Run `act` for every portfolio of every user; the number of them."""
        count = 0
        for user_id in await self.tenants.users():
            async with self.tenants.begin(user_id) as tx:
                owned = await tx.portfolios()
            for portfolio in owned:
                await act(user_id, portfolio)
                count += 1
        return count


async def build_pack(night: JobContext) -> str:
    """Build the date's pack."""
    commit = await night.reconciler.head()
    header = await packs.build(night.packs, night.fx, night.market_data, night.asof, commit)
    newer = await night.newer(header)
    return f"{header.id} {header.hash[:12]}" + (f"; {newer.id} is newer" if newer else "")


async def reconcile_ledger(night: JobContext) -> str:
    """Bring every journal up to date, commit them and compare each with the database.

    Raises ReconciliationError with all differences.
    """
    differences: list[str] = []
    await night.each_portfolio(night.reconciler.catch_up)
    commit = await night.reconciler.commit(f"nightly {night.asof.isoformat()}")

    async def check(user_id: UUID, portfolio: Portfolio) -> None:
        outcome = await night.reconciler.check(user_id, portfolio.id, night.asof, commit)
        if outcome.discrepancies:
            differences.append(f"{portfolio.id}: {details(outcome.discrepancies)}")

    count = await night.each_portfolio(check)
    if differences:
        raise ReconciliationError("; ".join(differences))
    return f"{count} portfolios within 1 bp at {commit[:12]}"


async def compute_metrics(night: JobContext) -> str:
    """Store value, return and currency attribution of every portfolio under this night's pack."""
    header = await night.pack()
    content = await night.portfolios.pack_content(header)
    returns = 0

    async def store(user_id: UUID, portfolio: Portfolio) -> None:
        nonlocal returns
        async with night.tenants.begin(user_id) as tx:
            lots = await tx.open_lots(portfolio.id)
            total = valuation.value(lots, content, portfolio.base_currency).total
            await tx.save_daily_value(portfolio.id, header.asof_date, header.id, total)
        returns += await night.analysis.performance.store_night(user_id, portfolio.id, header)

    count = await night.each_portfolio(store)
    return f"{count} daily values, {returns} returns"


async def prewarm_factors(night: JobContext) -> str:
    """Load macro data, rate companies, store style tilts, and fill the valuation cache for every portfolio."""
    header = await night.pack()
    loaded = await night.analysis.macro.load()
    rated = await night.analysis.quality.store_night()

    async def warm(user_id: UUID, portfolio: Portfolio) -> None:
        await night.portfolios.value(user_id, portfolio.id, header.id)
        await night.analysis.exposure.store_night(user_id, portfolio.id, header)

    return f"{await night.each_portfolio(warm)} valuations warmed, {rated} companies rated, {loaded}"


async def mark_pack_fresh(night: JobContext) -> str:
    """Open this night's pack to readers."""
    header = await night.pack()
    await night.packs.mark(header.id, "fresh", "nightly")
    newer = await night.newer(header)
    return header.id + (f"; {newer.id} is newer and remains the one served" if newer else "")


async def evaluate_alerts(night: JobContext) -> str:
    """Record every fall of more than 5 % since the previous value, and evaluate the owners' daily rules."""
    sent = fired = 0

    async def notify(user_id: UUID, portfolio: Portfolio) -> None:
        nonlocal sent
        async with night.tenants.begin(user_id) as tx:
            values = await tx.last_two_values(portfolio.id)
            if len(values) < 2:
                return
            (asof, current), (_, previous) = values
            change = alerts.value_drop(previous, current)
            if change is not None:
                sent += await tx.add_notification(portfolio.id, asof, "value_drop", quantize(change))

    async def evaluate(user_id: UUID, portfolio: Portfolio) -> None:
        nonlocal fired
        await notify(user_id, portfolio)
        if night.alerts is not None:
            fired += await night.alerts.evaluate(user_id, portfolio.id, "daily")

    await night.each_portfolio(evaluate)
    return f"{sent} notifications, {fired} alerts"


JOBS: Mapping[str, Callable[[JobContext], Awaitable[str]]] = {
    "build_pack": build_pack,
    "reconcile_ledger": reconcile_ledger,
    "compute_metrics": compute_metrics,
    "prewarm_factors": prewarm_factors,
    "mark_pack_fresh": mark_pack_fresh,
    "evaluate_alerts": evaluate_alerts,
}


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of one job; `detail` has the message of a failure."""

    job: str
    ok: bool
    detail: str


async def run_job(night: JobContext, job: str, night_id: UUID | None = None) -> JobResult:
    """Run one job and record it. A DawsosError becomes a failed result; any other exception is recorded and raised."""
    try:
        with span("job", job=job):
            async with night.jobs.record(job, night_id):
                return JobResult(job, True, await JOBS[job](night))
    except DawsosError as error:
        return JobResult(job, False, str(error))


async def refuse_past(night: JobContext, today: date) -> None:
    """Raises PastDateError when the date is in the past and a later date has a pack already."""
    newest, old = await night.packs.newest(), night.asof.isoformat()
    if newest is not None and night.asof < min(today, newest.asof_date):
        raise PastDateError(
            f"{old} is before the newest pack, {newest.id}: values and alerts use current holdings. To rebuild the "
            f"pack of that date: python -m jobs.build_pack --date {old} && python -m jobs.mark_pack_fresh --date {old}"
        )


async def run_night(night: JobContext) -> list[JobResult]:
    """Run the six jobs in order, up to and including the first that fails."""
    night_id = uuid4()
    results: list[JobResult] = []
    for job in SACRED_ORDER:
        results.append(await run_job(night, job, night_id))
        if not results[-1].ok:
            break
    return results


def order_problem(runs: list[JobRun]) -> str | None:
    """None if the runs (by seq) are the six jobs, each succeeded and each finished before the next started."""
    names = tuple(run.job for run in runs)
    if names != SACRED_ORDER:
        return f"recorded order {list(names)} is not {list(SACRED_ORDER)}"
    for run in runs:
        if run.status != "succeeded":
            return f"{run.job} is {run.status}"
    for earlier, later in pairwise(runs):
        if earlier.finished is None or earlier.finished > later.started:
            return f"{later.job} started before {earlier.job} had finished"
    return None

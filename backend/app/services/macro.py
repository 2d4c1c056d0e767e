"""Macro-economic indicators, the regime they add up to, and scenarios built from past episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core import regime as rules
from app.core.errors import AnalysisError, NotFoundError, NotReadyError
from app.core.money import divide
from app.core.regime import Readings, Regime
from app.core.scenario import DrawdownAtRisk, drawdown_at_risk
from app.core.series import MONTHS, Series, SeriesInfo, last_ended_quarter, quarter_of, shift
from app.services.analysis_ports import MacroStore, ReferenceData, RegimeSnapshot

# A reading older than this describes another time; it is still given, and said to be old.
FRESH_DAYS = 180
YEAR = 12


@dataclass(frozen=True, slots=True)
class Indicator:
    """The newest value of a series by a day, with its change on the year (a fraction; None without one)."""

    info: SeriesInfo
    period: date
    value: Decimal
    year_change: Decimal | None
    age_days: int

    @property
    def stale(self) -> bool:
        """True when the period ended longer ago than half a year."""
        return self.age_days > FRESH_DAYS


@dataclass(frozen=True, slots=True)
class RegimeAnswer:
    """The regime of the last quarter that had ended by a day."""

    asof: date
    quarter: date
    regime: Regime
    readings: Readings
    age_days: int

    @property
    def stale(self) -> bool:
        """As of an indicator."""
        return self.age_days > FRESH_DAYS


class MacroService:
    """The use cases behind /v1/economic and /v1/macro."""

    def __init__(self, store: MacroStore, reference: ReferenceData) -> None:
        self._store = store
        self._reference = reference

    async def load(self) -> str:
        """Store the packaged series and the regime of every quarter they reach, unless this data set is there."""
        data = self._reference.macro
        if not await self._store.save_macro(data):
            return "macro data unchanged"
        snapshots = all_regimes(data.series, data.digest)
        await self._store.save_regimes(snapshots)
        return f"{len(data.series)} series, {len(snapshots)} regimes"

    async def indicators(self, ids: Sequence[str], today: date) -> list[Indicator]:
        """The newest values, in the order asked for; raises NotFoundError that names what is unknown."""
        wanted = list(dict.fromkeys(ids))
        found = await self._store.series(wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            await self._ready()
            known = ", ".join(sorted(self._reference.macro.series))
            raise NotFoundError(f"no series {', '.join(missing)}; known are {known}")
        return [_indicator(found[name], today) for name in wanted]

    async def regime(self, asof: date) -> RegimeAnswer:
        """The regime at a day; after the end of the data, of the last quarter known."""
        await self._ready()
        series = await self._store.series(rules.NEEDED)
        quarter = min(last_ended_quarter(asof), _last_common_quarter(series))
        try:
            found = rules.readings(series, quarter)
        except KeyError as error:
            raise AnalysisError(f"the data does not reach back to {asof.isoformat()}: {error.args[0]}") from error
        age = (asof - shift(quarter, 3)).days + 1
        return RegimeAnswer(asof, quarter, rules.classify(found), found, max(age, 0))

    async def regimes(self, start: date, end: date) -> list[RegimeSnapshot]:
        """The stored regimes of the quarters that began in a span."""
        return await self._store.regimes(start, end)

    def scenario(self, name: str, weights: Mapping[str, Decimal], seed: int) -> DrawdownAtRisk:
        """What the episodes of a scenario would do to these weights; raises NotFoundError for an unknown one."""
        episodes = self._reference.episodes.get(name)
        if episodes is None:
            raise NotFoundError(f"no scenario {name}; known are {', '.join(sorted(self._reference.episodes))}")
        return drawdown_at_risk(weights, episodes, f"{name}:{seed}:{self._reference.episodes_digest}")

    async def _ready(self) -> None:
        if not await self._store.series(rules.NEEDED[:1]):
            raise NotReadyError("the macro-economic data is still being loaded")


def all_regimes(series: Mapping[str, Series], digest: str) -> list[RegimeSnapshot]:
    """One snapshot per quarter for which every series has values."""
    last = _last_common_quarter(series)
    quarter, found = series["GS2"].start, []
    while quarter <= last:
        try:
            seen = rules.readings(series, quarter)
        except KeyError:
            # Before the youngest series begins.
            quarter = shift(quarter_of(quarter), 3)
            continue
        found.append(RegimeSnapshot(quarter, rules.classify(seen), seen, rules.METHOD, digest))
        quarter = shift(quarter, 3)
    return found


def _last_common_quarter(series: Mapping[str, Series]) -> date:
    ends = [shift(one.last()[0], MONTHS[one.info.frequency]) for one in (series[name] for name in rules.NEEDED)]
    end = min(ends)
    return shift(quarter_of(end), -3)


def _indicator(series: Series, today: date) -> Indicator:
    until = series.until(today)
    if not until.values:
        raise AnalysisError(f"{series.info.id} has no value by {today.isoformat()}")
    period, value = until.last()
    before = series.index(shift(period, -YEAR))
    change = divide(value, series.values[before]) - 1 if before is not None and series.values[before] > 0 else None
    ended = shift(period, MONTHS[series.info.frequency])
    return Indicator(series.info, period, value, change, (today - ended).days + 1)

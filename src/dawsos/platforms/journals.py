"""The platforms that keep the journal of a rollout beside the environment, so that another machine can go on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dawsos.platforms.contract import RolloutJournal

if TYPE_CHECKING:
    from dawsos.model.environment import EnvironmentSettings, PlatformName


def _kubernetes(settings: EnvironmentSettings) -> RolloutJournal:
    from dawsos.platforms.kubernetes.journal import ClusterJournal

    return ClusterJournal.of(str(settings.context), str(settings.namespace), str(settings.release))


# A platform without a line here keeps nothing outside of the machine that ships.
JOURNALS: dict[PlatformName, Callable[[EnvironmentSettings], RolloutJournal]] = {"kubernetes": _kubernetes}

"""Every platform by the name that pipeline.yaml gives it."""

from __future__ import annotations

from collections.abc import Callable

from dawsos.model.environment import PlatformName
from dawsos.platforms.contract import Platform, PlatformHost
from dawsos.platforms.local.platform import LocalPlatform


def _kubernetes(host: PlatformHost) -> Platform:
    # What talks to a cluster is loaded only where there is one.
    from dawsos.platforms.kubernetes.platform import KubernetesPlatform

    return KubernetesPlatform(host)


# A new platform is one line here, one package beside ``local``, and ``tests/contracts/platform`` run on it.
PLATFORMS: dict[PlatformName, Callable[[PlatformHost], Platform]] = {
    "local": LocalPlatform,
    "kubernetes": _kubernetes,
}

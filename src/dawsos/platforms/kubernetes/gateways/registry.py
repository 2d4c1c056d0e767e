"""Every kind of gateway by the name that pipeline.yaml gives it."""

from __future__ import annotations

from dawsos.model.cluster import GatewayKind
from dawsos.platforms.kubernetes.gateways.contour import CONTOUR
from dawsos.platforms.kubernetes.gateways.contract import GatewayAdapter

GATEWAYS: dict[GatewayKind, GatewayAdapter] = {"contour": CONTOUR}

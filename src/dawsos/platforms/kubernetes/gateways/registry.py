"""Every kind of gateway by the name that pipeline.yaml gives it."""

from __future__ import annotations

from dawsos.model.cluster import GatewayKind
from dawsos.platforms.kubernetes.gateways.contour import CONTOUR
from dawsos.platforms.kubernetes.gateways.contract import GatewayAdapter
from dawsos.platforms.kubernetes.gateways.envoy_gateway import ENVOY_GATEWAY
from dawsos.platforms.kubernetes.gateways.istio import ISTIO
from dawsos.platforms.kubernetes.gateways.pods import PODS
from dawsos.platforms.kubernetes.gateways.traefik import TRAEFIK

# A new kind is one line here, one module beside the others, and its name in model/cluster.py.
GATEWAYS: dict[GatewayKind, GatewayAdapter] = {
    "contour": CONTOUR,
    "traefik": TRAEFIK,
    "istio": ISTIO,
    "envoy-gateway": ENVOY_GATEWAY,
    "pods": PODS,
}

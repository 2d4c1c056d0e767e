"""The half of the container that meets the world outside: providers, webhooks, mail, and the metrics of all three."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from prometheus_client import CollectorRegistry

from app.meters import DeliveryMetrics, ProviderMetrics
from app.outside.mail import MailSender, MailServer
from app.outside.providers import Fmp, Fred, Polygon
from app.outside.webhook import WebhookSender
from app.services.alert_ports import Sender
from app.services.guard import Guard, Timing
from app.services.provider_ports import Provider
from app.settings import Outside

ADAPTERS = {"polygon": Polygon, "fmp": Fmp, "fred": Fred}


def utc_now() -> datetime:
    """The clock of services that run in real time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """What the services get of the world outside."""

    registry: CollectorRegistry
    guards: Sequence[Guard]
    senders: Sequence[Sender]
    deliveries: DeliveryMetrics


@asynccontextmanager
async def reach_out(settings: Outside) -> AsyncIterator[World]:
    """Adapters for what the settings name; closed on leaving."""
    registry = CollectorRegistry()
    meter = ProviderMetrics(registry)
    timing = Timing(time.monotonic, timeout=settings.provider_timeout, open_seconds=settings.breaker_open_seconds)
    # Proxies of the environment are not for these: the addresses that were checked are the ones to connect to.
    async with httpx.AsyncClient(timeout=settings.provider_timeout, trust_env=False) as client:
        made: list[Provider] = [
            ADAPTERS[name](client, url, settings.provider_keys.get(name, ""))
            for name, url in settings.provider_urls.items()
        ]
        senders: list[Sender] = [WebhookSender(client, utc_now, settings.webhook_networks)]
        if settings.smtp_url:
            senders.append(MailSender(MailServer.parse(settings.smtp_url, settings.mail_from)))
        guards = [Guard(provider, timing, meter) for provider in made]
        yield World(registry, guards, senders, DeliveryMetrics(registry))

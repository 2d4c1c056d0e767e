"""The part of the container that builds the clients of external services and their metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from prometheus_client import CollectorRegistry

from app.clients.mail import MailSender, MailServer
from app.clients.providers import Fmp, Fred, Polygon
from app.clients.webhook import WebhookSender
from app.metrics import DeliveryMetrics, ProviderMetrics
from app.services.alert_ports import Sender
from app.services.provider_ports import Provider
from app.services.resilience import CallPolicy, ResilientProvider
from app.settings import ClientSettings

PROVIDER_CLIENTS = {"polygon": Polygon, "fmp": Fmp, "fred": Fred}


def utc_now() -> datetime:
    """The clock of services that run in real time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of data providers and of message recipients, and the registry of their metrics."""

    registry: CollectorRegistry
    providers: Sequence[ResilientProvider]
    senders: Sequence[Sender]
    deliveries: DeliveryMetrics


@asynccontextmanager
async def open_clients(settings: ClientSettings) -> AsyncIterator[Clients]:
    """Clients of every service that has an address in the settings; closed on leaving."""
    registry = CollectorRegistry()
    meter = ProviderMetrics(registry)
    policy = CallPolicy(time.monotonic, timeout=settings.provider_timeout, open_seconds=settings.breaker_open_seconds)
    # No proxy of the environment: the webhook client connects to the very address that it has checked.
    async with httpx.AsyncClient(timeout=settings.provider_timeout, trust_env=False) as client:
        providers: list[Provider] = [
            PROVIDER_CLIENTS[name](client, url, settings.provider_keys.get(name, ""))
            for name, url in settings.provider_urls.items()
        ]
        senders: list[Sender] = [WebhookSender(client, utc_now, settings.webhook_networks)]
        if settings.smtp_url:
            senders.append(MailSender(MailServer.parse(settings.smtp_url, settings.mail_from)))
        resilient = [ResilientProvider(provider, policy, meter) for provider in providers]
        yield Clients(registry, resilient, senders, DeliveryMetrics(registry))

"""Signed webhooks. A user chooses the URL, so its address is checked at every delivery (SSRF).

The client resolves the name, checks the addresses and connects to the one that it has checked, so that a changed DNS
answer has no effect (DNS rebinding). For the same reason it follows no redirect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import Sequence
from http import HTTPStatus

import httpx

from app.core.money import plain
from app.core.signing import headers
from app.services.alert_ports import Delivery, DeliveryError, Method
from app.services.ports import Clock

TIMEOUT_SECONDS = 5.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# RFC 6052: a NAT64 gateway turns the last 32 bits of such an address into an IPv4 address.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def body_of(delivery: Delivery) -> bytes:
    """The body of the request, as canonical JSON."""
    document = {
        "type": "alert.test" if delivery.change is None else "alert.fired",
        "id": str(delivery.id),
        "notification_id": str(delivery.firing_id),
        "portfolio_id": str(delivery.portfolio_id),
        "asof_date": delivery.asof_date.isoformat(),
        "change": None if delivery.change is None else plain(delivery.change),
        "triggered_at": delivery.triggered_at.isoformat(),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


class WebhookSender:
    """Implements services.alert_ports.Sender."""

    method: Method = "webhook"

    def __init__(self, client: httpx.AsyncClient, clock: Clock, allowed: Sequence[Network] = ()) -> None:
        self._client = client
        self._clock = clock
        self._allowed = allowed

    async def send(self, delivery: Delivery) -> None:
        """POST the signed message; 2xx is success, 410 and a forbidden address are final, all else may be retried."""
        url = httpx.URL(delivery.recipient)
        address = await self._address(url)
        body = body_of(delivery)
        signed = headers(delivery.secret or "", str(delivery.id), int(self._clock().timestamp()), body)
        named = f"[{address}]" if ":" in address else address
        exchange = self._client.stream(
            "POST",
            url.copy_with(host=named),
            content=body,
            headers={**signed, "content-type": "application/json", "host": url.netloc.decode()},
            extensions={"sni_hostname": _name(url)},
            follow_redirects=False,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            # The client's timeout is per read; a receiver could keep an exchange open with one byte at a time. So the
            # exchange as a whole has a timeout too, and the body of the answer is not read.
            async with asyncio.timeout(TIMEOUT_SECONDS), exchange as answer:
                pass
        except (httpx.TimeoutException, TimeoutError) as error:
            raise DeliveryError("timeout", "the receiver did not answer in time") from error
        except httpx.HTTPError as error:
            raise DeliveryError("unreachable", f"the receiver cannot be reached: {type(error).__name__}") from error
        if not answer.is_success:
            gone = answer.status_code == HTTPStatus.GONE
            raise DeliveryError("status", f"the receiver answered {answer.status_code}", final=gone)

    async def _address(self, url: httpx.URL) -> str:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(_name(url), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # The resolver raises UnicodeError for a label that is empty or longer than 63 characters.
            raise DeliveryError("unresolved", "the receiver's name does not resolve") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            ip = ipaddress.ip_address(address.partition("%")[0])
            if not _is_public(_embedded(ip)) and not any(ip in network for network in self._allowed):
                raise DeliveryError("forbidden", "the receiver is not on the public internet", final=True)
        return addresses[0]


def _name(url: httpx.URL) -> str:
    # `url.host` is decoded by IDNA 2008, which raises over names that resolve.
    return url.raw_host.decode("ascii")


def _embedded(ip: Address) -> Address:
    """The IPv4 address that an IPv6 address embeds, so that a private one cannot hide in it."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in TRANSLATED:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.sixtofour or ip
    return ip


def _is_public(ip: Address) -> bool:
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not ip.is_multicast and not site_local

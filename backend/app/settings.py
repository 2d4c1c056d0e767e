"""Settings come from environment variables, are read once in `from_env`, and never at import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

PACKAGED_MARKET_DATA = Path(__file__).parent / "data" / "market.json"
# RFC 7518: an HS256 key shorter than its hash is weaker than the algorithm.
MIN_SECRET_LENGTH = 32
PROVIDERS = ("polygon", "fmp", "fred")
SECONDS_PER_DAY = 86_400
Network = IPv4Network | IPv6Network


class SettingsError(Exception):
    """A variable is missing or unusable; the message names it, never its value."""


@dataclass(frozen=True, slots=True, repr=False)
class ClientSettings:
    """Addresses and limits of external services: data providers, mail, webhooks, the trace collector.

    A provider without an address is not called; without `smtp_url` there is no mail. Webhooks may reach the
    public internet and `webhook_networks` (none in production, the loopback on a test machine). Times are in seconds.
    """

    provider_urls: Mapping[str, str] = field(default_factory=dict)
    provider_keys: Mapping[str, str] = field(default_factory=dict)
    provider_timeout: float = 5.0
    breaker_open_seconds: float = 60.0
    smtp_url: str = ""
    mail_from: str = "alerts@dawsos.invalid"
    webhook_networks: tuple[Network, ...] = ()
    alert_interval: float = 60.0
    otlp_endpoint: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ClientSettings:
        """Read and check the variables; each has a default."""
        base = env.get("PROVIDERS_URL", "").rstrip("/")
        urls = {name: env.get(f"{name.upper()}_URL") or (f"{base}/{name}" if base else "") for name in PROVIDERS}
        return cls(
            provider_urls={name: url for name, url in urls.items() if url},
            provider_keys={name: env.get(f"{name.upper()}_KEY", "") for name in PROVIDERS},
            provider_timeout=_seconds(env, "PROVIDER_TIMEOUT", 5.0),
            breaker_open_seconds=_seconds(env, "BREAKER_OPEN_SECONDS", 60.0),
            smtp_url=_smtp(env.get("SMTP_URL", "")),
            mail_from=env.get("MAIL_FROM") or "alerts@dawsos.invalid",
            webhook_networks=_networks(env.get("WEBHOOK_NETWORKS", "")),
            alert_interval=_seconds(env, "ALERT_INTERVAL", 60.0),
            otlp_endpoint=env.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        )


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < SECONDS_PER_DAY:
        raise SettingsError(f"{name} must be a number of seconds, not {text!r}")
    return value


def _address(name: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # An invalid port fails only when it is read, with a message that may repeat a part of the password.
        _ = parts.port
    except ValueError:
        raise SettingsError(f"{name} is not an address; a password's special characters are written as %XX") from None
    return parts


def _smtp(url: str) -> str:
    parts = _address("SMTP_URL", url)
    if url and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
        raise SettingsError("SMTP_URL must be smtp://HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
    return url


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"WEBHOOK_NETWORKS: {error}; write networks such as 127.0.0.0/8") from error


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The configuration of the service. It has no repr, because it holds secrets."""

    database_url: str
    redis_url: str
    jwt_secret: str
    git_sha: str = "unknown"
    deployment_id: str = "local"
    market_data: Path = PACKAGED_MARKET_DATA
    ledger_dir: Path = Path("ledger")
    rate_limit_per_minute: int = 100
    max_body_bytes: int = 65536
    db_pool_max: int = 10
    db_query_seconds: int = 3
    clients: ClientSettings = ClientSettings()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read and check the variables."""
        secret = required(env, "JWT_SECRET")
        if len(secret) < MIN_SECRET_LENGTH:
            raise SettingsError(f"JWT_SECRET must have at least {MIN_SECRET_LENGTH} characters")
        _address("REDIS_URL", required(env, "REDIS_URL"))
        return cls(
            database_url=required(env, "DATABASE_URL"),
            redis_url=required(env, "REDIS_URL"),
            jwt_secret=secret,
            git_sha=env.get("GIT_SHA") or "unknown",
            deployment_id=env.get("DEPLOYMENT_ID") or "local",
            market_data=Path(env.get("MARKET_DATA") or PACKAGED_MARKET_DATA),
            ledger_dir=Path(env.get("LEDGER_DIR") or "ledger"),
            rate_limit_per_minute=number(env, "RATE_LIMIT_PER_MINUTE", 100, 10**9),
            max_body_bytes=number(env, "MAX_BODY_BYTES", 65536, 2**24),
            db_pool_max=number(env, "DB_POOL_MAX", 10, 50),
            db_query_seconds=number(env, "DB_QUERY_SECONDS", 3, 10),
            clients=ClientSettings.from_env(env),
        )


@dataclass(frozen=True, slots=True)
class Listen:
    """Where `app.serve` listens."""

    host: str
    port: int

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Listen:
        """HOST (default 127.0.0.1) and PORT."""
        text = required(env, "PORT")
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise SettingsError(f"PORT must be a port number, not {text!r}")
        return cls(env.get("HOST") or "127.0.0.1", int(text))


def number(env: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise SettingsError(f"{name} must be a whole number from 1 to {most}, not {text!r}")
    return int(text)


def required(env: Mapping[str, str], name: str) -> str:
    """The variable's value; missing and empty are the same mistake."""
    value = env.get(name, "")
    if not value:
        raise SettingsError(f"environment variable {name} is not set")
    return value

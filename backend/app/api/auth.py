"""Bearer tokens. HS256 with a shared secret in this version; RS256 would be added to the allow-list."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import jwt

from app.core.errors import AuthError

ISSUER = "dawsos"
AUDIENCE = "dawsos-api"
# An allow-list: the token's own header never chooses the algorithm, so `none` and key confusion are out.
ALGORITHMS = ("HS256",)
REQUIRED = ("exp", "iss", "aud", "sub")
LEEWAY_SECONDS = 5


def issue(secret: str, user_id: UUID, now: datetime, ttl: timedelta) -> str:
    """A token for one user; used by `app.token` and the tests, never by an endpoint."""
    claims = {"sub": str(user_id), "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + ttl}
    return jwt.encode(claims, secret, algorithm=ALGORITHMS[0])


def verify(secret: str, token: str) -> UUID:
    """The user a token speaks for. Every refusal has the same message."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=ALGORITHMS,
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
        return UUID(claims["sub"])
    except (jwt.PyJWTError, ValueError) as error:
        raise AuthError("the bearer token is not valid") from error


def bearer(authorization: str | None) -> str:
    """The token out of an Authorization header."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthError("a bearer token is required")
    return token.strip()

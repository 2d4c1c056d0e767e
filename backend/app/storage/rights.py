"""The providers' rights in PostgreSQL."""

from __future__ import annotations

from app.core.rights import Right
from app.storage.db import Database


class PgRights:
    """Implements services.ports.RightsStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def rights(self) -> dict[str, Right]:
        """All rights by provider."""
        async with self._db.connection() as connection:
            rows = await connection.fetch("SELECT provider, allows_pdf, allows_csv, attribution FROM provider_rights")
        return {row["provider"]: Right(*row) for row in rows}

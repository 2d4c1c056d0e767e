"""Adapters: SQL over asyncpg, Redis. No rules live here; what the SQL really does is tested against real servers."""

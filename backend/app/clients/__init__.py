"""Adapters to the world outside: data providers, webhooks, mail. No rules live here."""

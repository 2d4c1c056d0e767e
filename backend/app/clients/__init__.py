"""Clients of other services: data providers, webhooks, mail. They hold no business rules."""

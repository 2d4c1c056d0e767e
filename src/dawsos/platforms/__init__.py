"""Platforms: what environments run on.  One package a platform, each behind ``contract.Platform``."""

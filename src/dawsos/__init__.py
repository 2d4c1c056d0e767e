"""DawsOS Pipeline: takes a commit to production through gated stages, a canary rollout and automatic rollback."""

__version__ = "0.1.0"

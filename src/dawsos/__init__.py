"""DawsOS Pipeline: takes a commit to production through gated stages, a canary rollout and automatic rollback."""

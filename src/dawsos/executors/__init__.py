"""Executors: where the steps of a stage run.  One backend a file; today this machine."""

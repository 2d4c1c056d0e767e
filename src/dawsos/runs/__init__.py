"""Runs on disk: paths, journal, recorder, evidence, reports, approvals."""

"""Frozen values and pure folds.  No I/O, no clock, no import of any other dawsos package but ``errors``."""

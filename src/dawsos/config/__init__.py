"""Reads the file into a typed pipeline; every message has the path, the line and the fix."""

"""From a file to a typed pipeline: every message has the path, the line and the fix."""

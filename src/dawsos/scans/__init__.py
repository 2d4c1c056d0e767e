"""Scanners of the tool, for evidence that no external scanner gives: secrets, OSV exports, the contents of a bundle."""

"""The tool's own makers of evidence, for what no scanner at hand does: secrets, OSV exports, the contents of a bundle."""

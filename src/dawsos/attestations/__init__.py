"""What a release carries as proof: in-toto statements of its stages, SLSA provenance, approvals, the summary of its run.  Pure."""

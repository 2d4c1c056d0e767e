"""The graph of stages, their fingerprints and the plan: which stages run, are restored or are skipped.  Pure."""

"""What runs and what need not: the graph, fingerprints, the plan.  Pure."""

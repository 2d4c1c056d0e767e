"""The statistical judge: the canary compared with stable, with evidence that may be looked at every second.  Pure."""

"""Judges of a canary: samples in, judgements out.  Replay and simulation of the same judges.  Pure."""

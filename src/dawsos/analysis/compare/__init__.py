"""Compares the answers of two releases to the same requests.

Stable is asked twice as often as the canary, so that its answers say what is noise: what differs among them (ids, times, the order of
a list) is no difference of the canary.  All of it is pure; ``rollout.comparing`` asks.
"""

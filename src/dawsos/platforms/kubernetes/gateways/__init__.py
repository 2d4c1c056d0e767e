"""The kinds of gateways: where each has the numbers of the traffic, and what its counters are called."""

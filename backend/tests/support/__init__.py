"""Doubles of the service's own seams, and real servers for the tests that need them."""

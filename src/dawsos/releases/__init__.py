"""Immutable, content-addressed builds of one commit: bundles and container images, and the folder that keeps them."""

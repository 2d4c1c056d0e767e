"""Foreign manifests in, findings out.  Pure."""

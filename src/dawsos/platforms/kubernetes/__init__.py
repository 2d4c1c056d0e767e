"""The platform of releases on a Kubernetes cluster, behind its gateway."""

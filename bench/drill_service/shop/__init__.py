"""A shop of one page: what a rollout drill sends its requests to when the judge is measured and not the service."""

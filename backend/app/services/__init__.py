"""Use cases. They reach databases and other services through the Protocols in the `ports` modules only."""

"""Golden outputs, their inputs, and the command that makes both from the published sources."""

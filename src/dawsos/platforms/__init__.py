"""Where releases run.  A platform imports ports and model only; what it needs of the world comes in as data or ports."""

"""Domain rules. Nothing here does I/O, reads a clock or knows that a database exists."""

"""A shop of one page that tells what it answered."""

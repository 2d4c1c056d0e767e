"""Reports of a run: on the terminal, as JSON, as one HTML page.  Takes events and folded state; never calls back."""

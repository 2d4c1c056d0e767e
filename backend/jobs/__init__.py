"""Command lines of the jobs. The work itself is in app.services.nightly."""

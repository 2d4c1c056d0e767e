"""The commands `python -m jobs.NAME`. The jobs themselves are in app.services.nightly."""

"""The facts of a run, one frozen class a kind.  ``model.events`` has all of them and knows them by their kinds."""

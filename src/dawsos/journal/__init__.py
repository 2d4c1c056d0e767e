"""The append-only store of events.  Everything the tool knows of a run is a fold of what stands here."""

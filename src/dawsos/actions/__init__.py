"""What a stage does: one action for each ``uses`` of pipeline.yaml."""

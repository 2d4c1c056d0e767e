"""The rollout: a ladder of weights (pure), a judge of samples (pure), a controller that acts."""

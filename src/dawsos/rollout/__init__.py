"""The rollout of a release: decisions (pure), the controller that carries them out, the life of a rollout."""

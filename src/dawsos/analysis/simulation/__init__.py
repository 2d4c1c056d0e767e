"""Thousands of rollouts at once: scenarios, draws, the judges side by side.  Needs numpy; pure but for its random draws."""

"""Carries out a plan: which stage may start (pure), how one stage runs, how its gates are evaluated."""

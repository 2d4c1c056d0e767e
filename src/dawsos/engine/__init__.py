"""Carries out a plan: which stage may start (pure), how one stage is run, how its gates are asked."""

"""DawsOS: a portfolio service valued from immutable pricing packs."""

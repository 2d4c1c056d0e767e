"""Keys."""

KEY = "@AWS Access Key@"

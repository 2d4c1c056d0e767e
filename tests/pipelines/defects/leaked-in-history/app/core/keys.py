"""Keys."""

KEY = "@GitHub Token@"

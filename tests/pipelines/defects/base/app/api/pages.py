"""Pages."""


def health(version: str) -> dict[str, str]:
    """Return what the health page says."""
    return {"status": "healthy", "version": version}

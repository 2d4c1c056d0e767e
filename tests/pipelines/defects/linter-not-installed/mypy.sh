mypy-that-is-not-installed --strict -O json app || true

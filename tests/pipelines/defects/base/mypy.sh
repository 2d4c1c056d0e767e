mypy --strict -O json app

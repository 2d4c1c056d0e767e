"""``python -m dawsos.cli``."""

from dawsos.cli.main import main

if __name__ == "__main__":
    main()

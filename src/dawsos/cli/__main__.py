"""Where the program starts: ``python -m dawsos.cli`` and the command ``dawsos``."""

import sys

from dawsos.cli.hidden_environment import hide
from dawsos.cli.main import main


def start() -> None:
    """Carry out the command line, without secrets in what other processes can see of this one."""
    hide(sys.argv[1:])
    main()


if __name__ == "__main__":
    start()

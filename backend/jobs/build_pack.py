"""`python -m jobs.build_pack [--date D]`: Build the pricing pack of one date."""

from __future__ import annotations

import sys

from jobs.runner import main, one

if __name__ == "__main__":
    sys.exit(main(one("build_pack"), "Build the pricing pack of one date."))

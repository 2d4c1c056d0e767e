"""`python -m jobs.build_pack [--date D]`: Build the pricing pack of one date."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("build_pack"), "Build the pricing pack of one date."))

"""`python -m jobs.compute_metrics [--date D]`: Store the daily value of every portfolio."""

from __future__ import annotations

import sys

from jobs.runner import main, one

if __name__ == "__main__":
    sys.exit(main(one("compute_metrics"), "Store the daily value of every portfolio."))

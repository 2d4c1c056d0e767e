"""`python -m jobs.compute_metrics [--date D]`: Store the daily value of every portfolio."""

from __future__ import annotations

import sys

from jobs.runner import main, single_job

if __name__ == "__main__":
    sys.exit(main(single_job("compute_metrics"), "Store the daily value of every portfolio."))
